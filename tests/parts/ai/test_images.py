"""Pictures to order, against an Astria whose answers and callbacks get lost."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import text

from tests.parts.ai.points import Points
from tests.recordings import body as recorded
from tillhouse.apps.compose import create_app
from tillhouse.kernel import clock
from tillhouse.kernel.errors import Conflict, InvalidInput, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.ai.api import images, photos
from tillhouse.parts.ai.api.images import ImageJob, PackOrder, PromptOrder, TuneOrder
from tillhouse.parts.ai.domain.calls import Owner, Use
from tillhouse.parts.ai.events import FollowImages
from tillhouse.parts.ai.flows.imaging import callback_of
from tillhouse.parts.ai.flows.switchboard import Switchboard
from tillhouse.parts.billing.api import PaidPurpose
from tillhouse.parts.billing.events import LookAfter
from tillhouse.parts.files import api as files
from tillhouse.parts.identity.domain import Identifier
from tillhouse.parts.identity.service import people
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.astria.schemas import Prompt, Tune
from tillhouse.sandbox.faults import FaultRequest

POINTS = 1_000


def gradient(shade: int) -> bytes:
    out = BytesIO()
    Image.linear_gradient("L").resize((320, 240)).point(lambda value: (value + shade) % 256).save(out, "PNG")
    return out.getvalue()


@dataclass
class Studio:
    """Somebody with three photos and some points, who orders pictures of themselves."""

    house: House
    sandbox: Sandbox
    at: clock.TestClock
    client: httpx.AsyncClient
    owner: UUID
    photos: list[UUID]
    points: Points

    @property
    def use(self) -> Use:
        return Use(Owner("person", self.owner), "shop.pictures")

    async def order(self, wanted: TuneOrder | PromptOrder | PackOrder) -> UUID:
        async with self.house.database.transaction() as session:
            return (await images.order(session, self.use, wanted)).id

    async def tune(self) -> UUID:
        return await self.order(TuneOrder(subject="woman", photos=self.photos))

    async def look(self, job_id: UUID) -> ImageJob:
        async with self.house.database.reading() as session:
            return await images.job(session, self.owner, job_id)

    async def turn(self, seconds: float = 0) -> None:
        """Time passes: the maker works, callbacks arrive, jobs run, and the schedule looks after the rest."""
        self.at.advance(timedelta(seconds=seconds))
        await self.sandbox.deliver_due()
        async with self.house.database.transaction() as session:
            await enqueue(session, FollowImages())
        await run_due(self.house)

    async def until(self, job_id: UUID, *states: str, steps: int = 12) -> ImageJob:
        for _ in range(steps):
            found = await self.look(job_id)
            if found.state in states:
                return found
            await self.turn(30)
        raise AssertionError(f"{await self.look(job_id)} after {steps} turns")

    def fault(self, kind: str, path: str = "*", count: int = 1) -> None:
        wish = {"provider": "astria", "fault": kind, "path": path, "count": count}
        self.sandbox.world.faults.add(FaultRequest.model_validate(wish))

    async def calls(self) -> list[tuple[str, int, bool]]:
        """State, pieces, and whether anything was charged."""
        async with self.house.database.reading() as session:
            rows = await session.execute(text("SELECT state, pieces, cost > 0 FROM ai.calls ORDER BY id"))
            return [(row[0], row[1], row[2]) for row in rows]

    async def paid(self) -> None:
        """What was ordered is paid as it was metered, in points, and nothing is set aside but for what is open."""
        async with self.house.database.reading() as session:
            rows = await session.execute(text("SELECT state, most, cost FROM ai.calls ORDER BY id"))
            metered = [(row[0], row[1] // 10**7, row[2] // 10**7) for row in rows]  # a hundredth of a dollar is a point
        due = [
            ("open" if state == "running" else "captured" if cost else "released", most, cost)
            for state, most, cost in metered
        ]
        charged = [
            ("released" if state == "expired" else state, *amounts) for state, *amounts in await self.points.charges()
        ]
        assert charged == due
        held, spent = sum(most for state, most, _ in due if state == "open"), sum(cost for *_, cost in due)
        assert await self.points.left() == (POINTS - held - spent, held)
        await self.points.check()

    @property
    def tunes(self) -> int:
        return self.sandbox.world.store.count(Tune)


@pytest.fixture
async def studio(still_house: House, still_sandbox: Sandbox, at: clock.TestClock) -> AsyncIterator[Studio]:
    app: FastAPI = create_app(still_house)
    still_sandbox.send_through(httpx.ASGITransport(app))
    async with still_house.database.transaction() as session:
        person = await people.create(session, "Asha Rao", [Identifier("email", "asha@example.com")])
    photos = [(await files.store_bytes(still_house, person.id, f"{n}.png", gradient(n * 40))).id for n in range(3)]
    still_house.provide([PaidPurpose("shop.pictures")])
    points = Points.of(still_house, person.id)
    await points.give(POINTS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        opened = Studio(still_house, still_sandbox, at, client, person.id, photos, points)
        yield opened
        await opened.paid()


async def test_a_tune_is_taught_and_pictures_are_made_of_it(studio: Studio) -> None:
    tune = await studio.tune()
    assert (await studio.look(tune)).state == "queued"
    await studio.turn()
    await studio.until(tune, "training")
    done = await studio.until(tune, "ready")
    assert done.finished_at
    prompt = await studio.order(PromptOrder(tune_id=tune, text="ohwx woman in an office", pictures=2))
    ready = await studio.until(prompt, "ready")
    assert len(ready.pictures) == 2
    for picture in ready.pictures:
        found, content = await files.read_bytes(studio.house, studio.owner, picture)
        with Image.open(BytesIO(content)) as image:
            assert (found.media_type, image.size) == ("image/jpeg", (512, 512))
    assert await studio.calls() == [("done", 1, True), ("done", 2, True)]


async def test_a_pack_is_a_tune_and_all_of_its_pictures(studio: Studio) -> None:
    pack = await studio.order(PackOrder(pack="260", subject="man", photos=studio.photos, pictures=8))
    await studio.until(pack, "generating")
    ready = await studio.until(pack, "ready")
    assert len(ready.pictures) == 8
    assert await studio.calls() == [("done", 8, True)]


@pytest.mark.parametrize("how", ["drop", "duplicate", "delay", "reorder", "tamper"])
async def test_a_callback_that_is_lost_doubled_late_or_spoilt_changes_nothing(studio: Studio, how: str) -> None:
    studio.fault(how, path="tune.done")
    tune = await studio.tune()
    await studio.until(tune, "ready")
    await studio.turn(60)
    assert await studio.calls() == [("done", 1, True)]


@pytest.mark.parametrize(
    "how", ["status_429", "status_500", "timeout_before", "timeout_after", "cut_stream", "stall_stream"]
)
async def test_an_order_whose_answer_gets_lost_is_placed_once(studio: Studio, how: str) -> None:
    studio.fault(how, path="POST /tunes")
    tune = await studio.tune()
    await studio.until(tune, "ready")
    assert studio.tunes == 1
    assert await studio.calls() == [("done", 1, True)]


async def test_a_prompt_whose_answer_gets_lost_is_placed_once(studio: Studio) -> None:
    tune = await studio.tune()
    await studio.until(tune, "ready")
    studio.fault("timeout_after", path="POST /tunes/*/prompts")
    prompt = await studio.order(PromptOrder(tune_id=tune, text="ohwx woman", pictures=1))
    await studio.until(prompt, "ready")
    assert studio.sandbox.world.store.count(Prompt) == 1


async def test_what_the_maker_refuses_is_not_sent_again_and_not_charged(studio: Studio) -> None:
    tune = await studio.order(TuneOrder(subject="dragon", photos=studio.photos))
    failed = await studio.until(tune, "failed")
    assert (failed.reason, bool(failed.sentence)) == ("refused", True)
    assert await studio.calls() == [("failed", 0, False)]


async def test_a_maker_that_is_down_charges_nothing(studio: Studio) -> None:
    studio.fault("status_500", count=1000)
    tune = await studio.tune()
    for _ in range(30):
        await studio.turn(600)
    failed = await studio.look(tune)
    assert (failed.state, failed.reason) == ("failed", "down")
    assert await studio.calls() == [("failed", 0, False)]


async def test_a_training_that_hangs_ends_at_its_deadline(studio: Studio) -> None:
    tune = await studio.tune()
    await studio.turn()
    found = studio.sandbox.world.store.find(Tune)[0]
    studio.sandbox.world.store.put(found.model_copy(update={"stuck": True}))
    await studio.turn(3 * 3600)
    assert (await studio.look(tune)).state == "queued"
    await studio.turn(3601)
    assert ((await studio.look(tune)).state, (await studio.look(tune)).reason) == ("failed", "late")
    assert await studio.calls() == [("late", 0, False)]
    await studio.turn(1)
    assert studio.tunes == 0  # nothing of the photos stays there


@pytest.mark.parametrize("sweeper", [FollowImages, LookAfter])
async def test_points_of_an_order_that_nobody_works_on_are_free_after_its_deadline(
    studio: Studio, sweeper: type[FollowImages | LookAfter]
) -> None:
    async def passing(minutes: int) -> tuple[int, int]:
        studio.at.advance(timedelta(minutes=minutes))
        async with studio.house.database.transaction() as session:
            await session.execute(text("DELETE FROM kernel.jobs"))  # the workers are gone, with all they had
            await enqueue(session, sweeper())
        await run_due(studio.house)
        return await studio.points.left()

    await studio.tune()
    assert await passing(239) == (POINTS - 300, 300)
    assert await passing(1) == ((POINTS, 0) if sweeper is FollowImages else (POINTS - 300, 300))
    assert await passing(60) == (POINTS, 0)
    async with studio.house.database.transaction() as session:
        await enqueue(session, FollowImages())
    await run_due(studio.house)
    assert await studio.points.charges() == [("released" if sweeper is FollowImages else "expired", 300, 0)]
    assert await studio.calls() == [("late", 0, False)]


async def test_what_the_maker_lost_fails(studio: Studio) -> None:
    tune = await studio.tune()
    await studio.turn()
    studio.sandbox.world.store.delete_all(Tune)
    failed = await studio.until(tune, "failed")
    assert failed.reason == "gone"
    assert await studio.calls() == [("failed", 0, False)]


async def test_what_is_cancelled_stops_at_the_maker_and_costs_nothing(studio: Studio) -> None:
    tune = await studio.tune()
    await studio.turn()
    async with studio.house.database.transaction() as session:
        await images.cancel(session, studio.owner, tune)
    await studio.turn()
    assert (await studio.look(tune)).state == "cancelled"
    assert studio.tunes == 0
    assert await studio.calls() == [("cancelled", 0, False)]
    async with studio.house.database.transaction() as session:
        with pytest.raises(Conflict):
            await images.cancel(session, studio.owner, tune)


async def test_a_callback_is_believed_by_its_key_and_is_a_hint_alone(studio: Studio) -> None:
    tune = await studio.tune()
    await studio.turn()
    address = callback_of(studio.house, tune)
    lies: dict[str, object] = {"tune": {"id": 1, "trained_at": "2026-01-01T00:00:00Z"}}
    for wrong in (address[:-1] + ("0" if address[-1] != "0" else "1"), address.partition("?")[0]):
        assert (await studio.client.post(wrong, json=lies)).status_code == 404
    for body in (lies, lies["tune"], [], "x"):
        assert (await studio.client.post(address, json=body)).status_code == 202
    for name in ("callback.tune", "callback.prompt"):  # as Astria writes them, of another's order
        assert (await studio.client.post(address, content=recorded("astria", name))).status_code == 202
    assert (await studio.client.post(address, content=b"\xff")).status_code == 202
    await run_due(studio.house)
    assert (await studio.look(tune)).state == "queued"
    await studio.until(tune, "ready")
    assert (await studio.client.post(address, json=lies)).status_code == 202  # long after
    await run_due(studio.house)
    assert await studio.calls() == [("done", 1, True)]


async def test_orders_belong_to_their_owner(studio: Studio) -> None:
    tune = await studio.tune()
    async with studio.house.database.transaction() as session:
        other = await people.create(session, "Linh", [Identifier("email", "linh@example.com")])
        stranger = Use(Owner("person", other.id), "shop.pictures")
        with pytest.raises(NotFound):
            await images.job(session, other.id, tune)
        with pytest.raises(NotFound):
            await images.cancel(session, other.id, tune)
        with pytest.raises(NotFound):
            await images.order(session, stranger, TuneOrder(subject="man", photos=studio.photos))
        with pytest.raises(NotFound):
            await images.order(session, stranger, PromptOrder(tune_id=tune, text="ohwx man", pictures=1))
        with pytest.raises(Conflict):  # not yet ready
            await images.order(session, studio.use, PromptOrder(tune_id=tune, text="ohwx", pictures=1))
        with pytest.raises(InvalidInput):
            await images.order(session, studio.use, TuneOrder(subject="man", photos=[]))


async def test_the_price_is_reserved_before_and_the_rates_are_the_lists(studio: Studio) -> None:
    await studio.tune()
    rates = studio.house.the(Switchboard).prices.rates("astria/tune")
    async with studio.house.database.reading() as session:
        row = (await session.execute(text("SELECT state, kind, most, cost FROM ai.calls"))).one()
    assert tuple(row) == ("running", "image", rates.of_pieces(1), 0)


async def test_photos_are_looked_at_for_their_owner_alone(studio: Studio) -> None:
    verdicts = await photos.check_photos(studio.house, studio.owner, studio.photos)
    assert [one.number for one in verdicts] == [1, 2, 3]
    assert all("too_small" in one.faults for one in verdicts)
    strangers = await photos.check_photos(studio.house, UUID(int=7), studio.photos)
    assert [one.faults for one in strangers] == [("unreadable",)] * 3
