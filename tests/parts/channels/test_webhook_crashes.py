"""Webhooks when things break: workers die, run at once, or meet an endpoint that is slow."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from tests.parts.channels.receiver import Office, open_office
from tests.parts.payments.crashes import Killed, killed_at
from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import Occurrence, enqueue, run_due
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.webhooks import Outcome
from tillhouse.parts.channels.events import LookAfterWebhooks
from tillhouse.parts.channels.flows import webhooks as flow
from tillhouse.parts.channels.service import deliveries, endpoints
from tillhouse.sandbox.app import Sandbox

STAFF = Principal("person", id=None)


@pytest.fixture
def at() -> Iterator[clock.TestClock]:
    with clock.held(datetime.fromtimestamp(int(time.time()), UTC)) as held:
        yield held


@pytest.fixture
async def office(settings: KernelSettings, sandbox: Sandbox, at: clock.TestClock) -> AsyncIterator[Office]:
    async with open_office(settings, sandbox, at) as opened:
        yield opened


async def restart(office: Office) -> None:
    """What the relay makes of the leases of a dead worker, and everything that follows."""
    async with office.house.database.transaction() as session:
        over = "UPDATE kernel.jobs SET state = 'queued', lease_holder = NULL WHERE state = 'running'"
        await session.execute(text(over))
    await run_due(office.house)
    for _ in range(3):
        office.at.advance(timedelta(minutes=3))
        async with office.house.database.transaction() as session:
            await enqueue(session, LookAfterWebhooks())
        await run_due(office.house)


@pytest.mark.slow
async def test_killed_anywhere_every_event_arrives_at_least_once_under_one_id(office: Office) -> None:
    await office.endpoint()
    kill_at = 0
    while True:
        kill_at += 1
        assert kill_at < 100
        before = len(office.receiver.got)
        tip = await office.tip()
        with suppress(Killed), killed_at(office.house, kill_at, machinery=True) as steps:
            await run_due(office.house)
        await restart(office)
        fresh = office.receiver.got[before:]
        assert {one.json["data"]["id"] for one in fresh} == {str(tip)}, steps.passed[-1:]
        assert len({one.id for one in fresh}) == 1
        assert len({one.body for one in fresh}) == 1
        assert len(fresh) <= 2
        assert {row.state for row in await office.deliveries()} == {"delivered"}
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 5


async def test_a_worker_that_dies_between_sending_and_noting_sends_again_and_says_so(office: Office) -> None:
    await office.endpoint()
    office.receiver.script = [MemoryError("killed")]
    await office.tip()
    with pytest.raises(MemoryError):
        await run_due(office.house)
    await restart(office)
    first, second = await office.attempts()
    assert (first.finished_at, second.status) == (None, 200)
    assert len({one.id for one in office.receiver.got}) == 1


async def test_a_handler_that_runs_again_plans_nothing_twice(office: Office) -> None:
    await office.endpoint()
    happened = Occurrence(new_id(), office.at.at)

    async def render() -> dict[str, object]:
        return {"object": "tip"}

    async def plan() -> None:
        async with office.house.database.transaction() as session:
            await deliveries.publish(session, "tip.left", happened, render)  # type: ignore[arg-type]  # plain JSON

    await asyncio.gather(*(plan() for _ in range(5)))
    await run_due(office.house)
    assert len(office.receiver.got) == 1
    assert len(await office.deliveries()) == 1


async def test_two_workers_at_one_delivery_send_it_once(office: Office) -> None:
    await office.endpoint()
    delivery_id = await planned(office)
    began = await asyncio.gather(*(begin(office, delivery_id) for _ in range(8)))
    assert len([one for one in began if one]) == 1


async def test_a_try_that_was_overtaken_decides_nothing_unless_it_arrived(office: Office) -> None:
    await office.endpoint()
    delivery_id = await planned(office)
    slow = await begin(office, delivery_id)
    office.at.advance(timedelta(minutes=2))  # its place is free again
    fast = await begin(office, delivery_id)
    assert slow
    assert fast
    await end(office, slow, Outcome(410))
    assert (await office.delivery()).state == "pending"
    await end(office, fast, Outcome(500))
    assert (await office.delivery()).state == "pending"
    await end(office, slow, Outcome(200))
    assert (await office.delivery()).state == "delivered"


async def test_an_endpoint_has_a_few_places_and_the_rest_waits_in_line(office: Office) -> None:
    await office.endpoint()
    await office.told()  # it has shown that it is quick
    waiting = [await planned(office) for _ in range(7)]
    began = [await begin(office, delivery_id) for delivery_id in waiting]
    assert [one is not None for one in began] == [True] * 3 + [False] * 4
    await run_due(office.house)  # their jobs find no place, and are over
    assert len(office.receiver.got) == 1
    await end(office, began[0], Outcome(200))
    await run_due(office.house)
    assert len(office.receiver.got) == 1 + 4  # one place is enough: whoever ends hands it on
    assert await states(office, *waiting[3:]) == {"delivered"}


async def test_slow_endpoints_share_a_few_places_and_hold_up_nobody_else(office: Office) -> None:
    quick, _ = await office.endpoint("https://hooks.example.com/quick")
    await office.told()
    slow = [(await office.endpoint(f"https://hooks.example.com/slow/{number}"))[0] for number in range(5)]
    lines = [[await planned(office, endpoint.id) for _ in range(3)] for endpoint in slow]
    began = [await begin(office, delivery_id) for line in lines for delivery_id in line]
    assert [one is not None for one in began] == [True, False, False] * 3 + [False] * 6
    await run_due(office.house)
    assert len(office.receiver.got) == 1
    async with office.house.database.transaction() as session:
        await deliveries.send_test(session, STAFF, quick.id)
    await run_due(office.house)
    assert [httpx.URL(one.url).path for one in office.receiver.got] == ["/quick"] * 2
    await end(office, began[0], Outcome(200, slow=True))
    assert (await office.see(slow[0].id)).slow
    await run_due(office.house)  # its place goes round among all that wait, and they turn out to be quick
    for sending in (began[3], began[6]):
        await end(office, sending, Outcome(200))
    await run_due(office.house)
    assert await states(office, *(one for line in lines for one in line)) == {"delivered"}
    assert not any([(await office.see(endpoint.id)).slow for endpoint in slow])


async def test_a_try_that_takes_long_makes_its_endpoint_slow_until_one_does_not(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, _ = await office.endpoint()
    assert row.slow
    await office.told()
    assert not (await office.see(row.id)).slow
    with monkeypatch.context() as patched:
        patched.setattr(flow, "SLOW_SECONDS", -1)  # everything takes longer than that
        await office.told()
    assert (await office.see(row.id)).slow
    await office.told()
    assert not (await office.see(row.id)).slow


async def test_an_endpoint_that_is_deleted_while_something_is_under_way_is_gone(office: Office) -> None:
    row, _ = await office.endpoint()
    sending = await begin(office, await planned(office))
    assert sending
    async with office.house.database.transaction() as session:
        await endpoints.delete(session, STAFF, row.id)
    await end(office, sending, Outcome(200))
    assert await office.deliveries() == []


async def planned(office: Office, endpoint_id: UUID | None = None) -> UUID:
    """A delivery whose job has not run: to this endpoint, or to the only one."""
    async with office.house.database.transaction() as session:
        (only, *_) = await store.endpoints(session, machine_id=None, limit=1)
        return (await deliveries.send_test(session, STAFF, endpoint_id or only.id)).id


async def states(office: Office, *ids: UUID) -> set[str]:
    return {row.state for row in await office.deliveries() if row.id in ids}


async def begin(office: Office, delivery_id: UUID) -> deliveries.Sending | None:
    async with office.house.database.transaction() as session:
        return await deliveries.begin(session, delivery_id, new_id())


async def end(office: Office, sending: deliveries.Sending | None, outcome: Outcome) -> None:
    assert sending
    async with office.house.database.transaction() as session:
        await deliveries.record(session, sending, outcome)
