"""People have their photos looked at and order pictures of themselves, over the API."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from uuid import UUID, uuid4

import httpx
import pytest
from PIL import Image, ImageFilter, ImageOps
from sqlalchemy import text

from tests.parts.ai.points import Points
from tests.parts.ai.test_faces import beside, collins, hopper
from tests.parts.identity.town import Resident, Town
from tillhouse.apps.compose import build_house, create_app
from tillhouse.catalogue import CATALOGUE
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.ai.domain.images import TuneOrder
from tillhouse.parts.ai.events import FollowImages
from tillhouse.parts.ai.flows.ordering import order_pictures
from tillhouse.parts.files import api as files
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.astria.schemas import Tune
from tillhouse.sandbox.transport import SandboxTransport


@dataclass
class Shop:
    """Somebody with an account, points, and photos that they send."""

    town: Town
    at: clock.TestClock
    me: Resident
    points: Points

    async def photo(self, picture: Image.Image, whose: Resident | None = None) -> str:
        out = BytesIO()
        picture.save(out, "JPEG", quality=92)
        owner = UUID((whose or self.me).id)
        return str((await files.store_bytes(self.town.house, owner, "me.jpg", out.getvalue())).id)

    async def post(self, path: str, json: object, key: str | None = "", who: Resident | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {(who or self.me).token}"}
        if key is not None:
            headers["Idempotency-Key"] = key or str(uuid4())
        transport = httpx.ASGITransport(self.town.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.post(f"/api/v1{path}", json=json, headers=headers)

    async def get(self, path: str, who: Resident | None = None) -> httpx.Response:
        return await self.town.call("GET", path, token=(who or self.me).token)

    async def delete(self, path: str, who: Resident | None = None) -> httpx.Response:
        return await self.town.call("DELETE", path, token=(who or self.me).token)

    async def until_ready(self, order_id: str) -> dict[str, object]:
        for _ in range(40):
            found: dict[str, object] = (await self.get(f"/ai/images/{order_id}")).json()
            if found["state"] in ("ready", "failed"):
                return found
            self.at.advance(timedelta(seconds=30))
            await self.town.sandbox.deliver_due()
            async with self.town.house.database.transaction() as session:
                await enqueue(session, FollowImages())
            await run_due(self.town.house)
        raise AssertionError(found)

    @property
    def tunes(self) -> int:
        return self.town.sandbox.world.store.count(Tune)


@pytest.fixture
async def shop(still_house: House, still_sandbox: Sandbox, at: clock.TestClock) -> Shop:
    town = Town(still_house, create_app(still_house), still_sandbox)
    still_sandbox.send_through(httpx.ASGITransport(town.app))
    me = await town.resident("grace@example.com")
    points = Points.of(still_house, UUID(me.id))
    await points.give(1_000)
    return Shop(town, at, me, points)


async def test_what_is_wrong_is_said_of_each_photo(shop: Shop) -> None:
    pictures = [hopper(), beside(collins(), hopper()), collins().filter(ImageFilter.GaussianBlur(9)), hopper()]
    sent = [await shop.photo(picture) for picture in pictures]
    sent.append(str((await files.store_bytes(shop.town.house, UUID(shop.me.id), "a.txt", b"no picture")).id))
    answer = await shop.post("/ai/photos/check", {"photos": sent})
    assert answer.status_code == 200
    told = answer.json()
    assert not told["good"]
    assert [(one["number"], one["file_id"]) for one in told["photos"]] == list(enumerate(sent, 1))
    assert [[fault["code"] for fault in one["faults"]] for one in told["photos"]] == [
        [], ["many_faces"], ["blurred"], ["duplicate"], ["unreadable"],
    ]  # fmt: skip
    assert [one["faces"] for one in told["photos"]] == [1, 2, 1, 1, None]
    assert told["photos"][3]["like"] == 1
    assert "more than one face" in told["photos"][1]["faults"][0]["message"]
    assert (await shop.post("/ai/photos/check", {"photos": sent[:1]})).json()["good"]


async def test_nobody_learns_anything_of_somebody_elses_photos(shop: Shop) -> None:
    stranger = await shop.town.resident("stranger@example.com")
    mine = await shop.photo(hopper())
    told = (await shop.post("/ai/photos/check", {"photos": [mine]}, who=stranger)).json()
    assert [fault["code"] for fault in told["photos"][0]["faults"]] == ["unreadable"]
    wish = {"subject": "woman", "photos": [mine], "anyway": True}
    refused = await shop.post("/ai/images/tunes", wish, who=stranger)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "unreadable")
    tune = await shop.post("/ai/images/tunes", wish)
    seen = await shop.get(f"/ai/images/{tune.json()['id']}", who=stranger)
    assert (tune.status_code, seen.status_code) == (202, 404)
    prompt = {"tune_id": tune.json()["id"], "text": "ohwx woman"}
    assert (await shop.post("/ai/images/prompts", prompt, who=stranger)).status_code == 404


@pytest.mark.parametrize("wrong", [{}, {"photos": []}, {"photos": [str(uuid4())] * 21}, {"photos": ["x"]}])
async def test_a_check_is_of_one_to_twenty_photos(shop: Shop, wrong: dict[str, object]) -> None:
    assert (await shop.post("/ai/photos/check", wrong)).status_code == 422


async def test_from_photos_to_pictures(shop: Shop) -> None:
    photos = [await shop.photo(hopper()), await shop.photo(ImageOps.mirror(hopper()))]
    taken = await shop.post("/ai/images/tunes", {"subject": "woman", "photos": photos})
    assert (taken.status_code, taken.json()["state"]) == (202, "queued")
    tune = taken.json()["id"]
    early = await shop.post("/ai/images/prompts", {"tune_id": tune, "text": "ohwx woman at sea"})
    assert early.status_code == 409
    assert (await shop.until_ready(tune))["state"] == "ready"
    prompt = await shop.post("/ai/images/prompts", {"tune_id": tune, "text": "ohwx woman at sea", "pictures": 2})
    done = await shop.until_ready(prompt.json()["id"])
    pictures = done["pictures"]
    assert isinstance(pictures, list)
    assert len(pictures) == 2
    for picture in pictures:
        found, _ = await files.read_bytes(shop.town.house, UUID(shop.me.id), UUID(picture))
        assert found.media_type == "image/jpeg"
    assert [one["id"] for one in (await shop.get("/ai/images")).json()["items"]] == [prompt.json()["id"], tune]
    assert await shop.points.charges() == [("captured", 300, 300), ("captured", 20, 20)]
    assert await shop.points.left() == (680, 0)
    await shop.points.check()


async def test_a_tune_that_is_forgotten_is_gone_at_its_maker_and_makes_no_pictures(shop: Shop) -> None:
    taken = await shop.post("/ai/images/tunes", {"subject": "woman", "photos": [await shop.photo(hopper())]})
    path = f"/ai/images/{taken.json()['id']}"
    assert (await shop.delete(path)).status_code == 409  # it is under way
    await shop.until_ready(taken.json()["id"])
    stranger = await shop.town.resident("stranger@example.com")
    assert (await shop.delete(path, who=stranger)).status_code == 404
    for _ in range(2):
        assert (await shop.delete(path)).status_code == 204
    await run_due(shop.town.house)
    assert shop.tunes == 0
    prompt = await shop.post("/ai/images/prompts", {"tune_id": taken.json()["id"], "text": "ohwx woman"})
    assert prompt.status_code == 404
    assert (await shop.get(path)).json()["state"] == "ready"


async def test_photos_with_something_wrong_are_named_and_nothing_is_ordered(shop: Shop) -> None:
    photos = [await shop.photo(hopper()), await shop.photo(beside(hopper(), collins()))]
    refused = await shop.post("/ai/images/tunes", {"subject": "woman", "photos": photos})
    assert refused.status_code == 422
    assert [(one["pointer"], one["code"]) for one in refused.json()["errors"]] == [("/photos/1", "many_faces")]
    assert (shop.tunes, await shop.points.charges()) == (0, [])
    insisted = await shop.post("/ai/images/tunes", {"subject": "woman", "photos": photos, "anyway": True})
    assert insisted.status_code == 202


async def test_a_pack_costs_what_it_holds_and_not_what_is_said(shop: Shop) -> None:
    offered = (await shop.get("/ai/images/packs")).json()["items"]
    assert [(one["id"], one["pictures"]) for one in offered] == [
        ("260", {"man": 8, "woman": 8}), ("261", {"man": 6, "woman": 6}),
    ]  # fmt: skip
    wish: dict[str, object] = {"pack": "260", "subject": "woman", "photos": [await shop.photo(hopper())]}
    assert (await shop.post("/ai/images/packs", {**wish, "pictures": 1})).status_code == 422
    for wrong in ({"pack": "999"}, {"subject": "cat"}):
        refused = await shop.post("/ai/images/packs", {**wish, **wrong})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/pack")
    pack = await shop.post("/ai/images/packs", wish)
    assert pack.status_code == 202
    assert await shop.points.left() == (920, 80)
    done = await shop.until_ready(pack.json()["id"])
    assert len(done["pictures"]) == 8  # type: ignore[arg-type]  # a list
    assert await shop.points.charges() == [("captured", 80, 80)]


async def test_an_order_that_is_sent_twice_is_one_order(shop: Shop, still_house: House) -> None:
    wish = {"subject": "woman", "photos": [await shop.photo(hopper())]}
    assert (await shop.post("/ai/images/tunes", wish, key=None)).status_code == 400
    first, second = [await shop.post("/ai/images/tunes", wish, key="mine") for _ in range(2)]
    assert first.json() == second.json()
    async with still_house.database.transaction() as session:  # as after a crash between the order and its answer
        await session.execute(text("DELETE FROM kernel.idempotency_keys"))
    async with still_house.database.transaction() as session:
        await files.delete(session, UUID(shop.me.id), UUID(wish["photos"][0]))
    third = await shop.post("/ai/images/tunes", wish, key="mine")
    assert (third.status_code, third.json()["id"]) == (202, first.json()["id"])
    assert len((await shop.get("/ai/images")).json()["items"]) == 1
    assert await shop.points.charges() == [("open", 300, 0)]


async def test_two_at_once_under_one_key_are_one_order(shop: Shop, still_house: House) -> None:
    wanted = TuneOrder(subject="woman", photos=[UUID(await shop.photo(hopper()))])
    owner = UUID(shop.me.id)
    taken = await asyncio.gather(*(order_pictures(still_house, owner, wanted, key="mine") for _ in range(4)))
    assert len({one.id for one in taken}) == 1
    assert await shop.points.charges() == [("open", 300, 0)]


@pytest.mark.parametrize("text_of", ["ohwx woman <lora:123:1>", "<faceid:9:1> ohwx woman", "a > b"])
async def test_a_text_cannot_call_the_models_of_others(shop: Shop, text_of: str) -> None:
    refused = await shop.post("/ai/images/prompts", {"tune_id": str(uuid4()), "text": text_of})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/text")


async def test_the_most_that_an_order_takes_is_said_before(shop: Shop) -> None:
    async def told(**wish: object) -> tuple[str, str, str, str]:
        answer = await shop.post("/ai/images/price", wish)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return found["unit"], found["most"], found["available"], found["missing"]

    assert await told(kind="tune") == ("PTS", "300", "1000", "0")
    assert await told(kind="prompt", pictures=8) == ("PTS", "80", "1000", "0")
    assert await told(kind="pack", pack="261", subject="man") == ("PTS", "60", "1000", "0")
    unknown = await shop.post("/ai/images/price", {"kind": "pack", "pack": "999", "subject": "man"})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/pack")
    stranger = await shop.town.resident("stranger@example.com")
    lacking = (await shop.post("/ai/images/price", {"kind": "tune"}, who=stranger)).json()
    assert (lacking["available"], lacking["missing"]) == ("0", "300")


async def test_where_the_house_pays_for_pictures_nothing_is_taken(
    settings: KernelSettings, still_sandbox: Sandbox, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_PAID_PURPOSES", "")
    generous = build_house(settings, serve=["ai"], mounts={"http://sandbox": SandboxTransport(still_sandbox)})
    shop.town.app = create_app(generous)
    assert (await shop.post("/ai/images/price", {"kind": "tune"})).json()["most"] == "0"
    taken = await shop.post("/ai/images/tunes", {"subject": "woman", "photos": [await shop.photo(hopper())]})
    assert (taken.status_code, await shop.points.charges()) == (202, [])
    await generous.close()


async def test_in_a_house_without_billing_nothing_is_ordered(
    settings: KernelSettings, still_sandbox: Sandbox, shop: Shop
) -> None:
    without = [module for module in CATALOGUE if module.name in ("identity", "files", "channels", "ai")]
    unguarded = build_house(
        settings, serve=["ai"], catalogue=without, mounts={"http://sandbox": SandboxTransport(still_sandbox)}
    )
    shop.town.app = create_app(unguarded)
    wish = {"subject": "woman", "photos": [await shop.photo(hopper())]}
    for path, body in (("tunes", wish), ("price", {"kind": "tune"})):
        refused = await shop.post(f"/ai/images/{path}", body)
        assert (refused.status_code, shop.tunes) == (403, 0)
        assert "paid for" in refused.json()["detail"]
    await unguarded.close()


async def test_who_has_too_few_points_orders_nothing_and_is_told_how_many_are_missing(shop: Shop) -> None:
    await shop.points.cap(1_000)
    poor = await shop.town.resident("poor@example.com")
    await Points.of(shop.town.house, UUID(poor.id)).give(120)
    wish = {"subject": "woman", "photos": [await shop.photo(hopper(), poor)]}
    refused = await shop.post("/ai/images/tunes", wish, who=poor)
    assert (refused.status_code, refused.json()["code"], shop.tunes) == (409, "points_missing", 0)
    assert "up to 300 points and you have 120: 180 are missing" in refused.json()["detail"]
    assert (await shop.get("/ai/images", who=poor)).json()["items"] == []


async def test_a_limit_of_the_house_stops_orders(shop: Shop) -> None:
    await shop.points.cap(299)
    refused = await shop.post("/ai/images/tunes", {"subject": "woman", "photos": [await shop.photo(hopper())]})
    assert (refused.status_code, refused.json()["code"], shop.tunes) == (429, "spend_cap_reached", 0)
