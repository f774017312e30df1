"""A worker's hold on its jobs: claims, leases, cancelling, losing; and relays that share the work."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from tests.work import dummy
from tests.work.dummy import Grind, Pay, ThingHappened
from tillhouse.apps.worker import Runner
from tillhouse.kernel.db import Session
from tillhouse.kernel.house import House
from tillhouse.kernel.work import JobRun, JobView, Task, cancel, emit, enqueue, job, jobs, store
from tillhouse.kernel.work.registry import registry_of
from tillhouse.kernel.work.timing import Timing

TIMING = Timing(lease=timedelta(seconds=30), beat=timedelta(milliseconds=50), grace=timedelta(milliseconds=50))


@pytest.fixture
async def runner(house: House) -> AsyncIterator[Runner]:
    made = Runner(house, TIMING)
    beats = asyncio.create_task(made.beat())
    yield made
    beats.cancel()
    await asyncio.wait([beats])


@pytest.fixture
def begun() -> asyncio.Event:
    """Set by the job `stuck`, which then waits for ever."""
    event = asyncio.Event()

    async def endless(_session: Session) -> None:
        event.set()
        await asyncio.Event().wait()

    async def endless_flow(_run: JobRun) -> None:
        event.set()
        await asyncio.Event().wait()

    dummy.behaviour["stuck"] = endless
    dummy.flow_behaviour["stuck"] = endless_flow
    return event


async def ask(house: House, what: Task) -> UUID:
    async with house.database.transaction() as session:
        job_id = await enqueue(session, what)
    assert job_id
    return job_id


async def look(house: House, job_id: UUID) -> JobView:
    async with house.database.reading() as session:
        return await job(session, job_id)


async def marks(house: House, made_by: str) -> list[str]:
    async with house.database.reading() as session:
        return await dummy.marks(session, made_by)


async def test_however_many_messages_come_the_job_runs_once(house: House, runner: Runner) -> None:
    other = Runner(house, TIMING)
    job_id = await ask(house, Pay(mark="a"))
    await asyncio.gather(*(one.run(job_id) for one in (runner, other, runner, other)))
    await runner.run(job_id)
    assert await marks(house, "pay") == ["a"]
    assert (await look(house, job_id)).attempt == 1


@pytest.mark.parametrize("what", [Pay(mark="stuck"), Grind(mark="stuck")])
async def test_a_running_job_that_is_cancelled_stops_and_takes_the_way_back(
    house: House, runner: Runner, begun: asyncio.Event, what: Task
) -> None:
    job_id = await ask(house, what)
    running = asyncio.create_task(runner.run(job_id))
    await begun.wait()
    async with house.database.transaction() as session:
        await cancel(session, job_id)
    await running
    assert (await look(house, job_id)).state == "cancelled"
    assert await marks(house, "pay") + await marks(house, "grind") == []
    assert await marks(house, "way back") == (["stuck"] if isinstance(what, Pay) else [])


async def test_a_job_whose_lease_was_lost_is_stopped_and_left_to_its_new_holder(
    house: House, runner: Runner, begun: asyncio.Event
) -> None:
    job_id = await ask(house, Pay(mark="stuck"))
    running = asyncio.create_task(runner.run(job_id))
    await begun.wait()
    async with house.database.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE kernel.jobs SET lease_holder = 'another'")
    await running
    assert (await look(house, job_id)).state == "running"
    assert await marks(house, "pay") == []


async def test_a_job_is_given_back_uncounted_when_its_worker_stops(
    house: House, runner: Runner, begun: asyncio.Event
) -> None:
    job_id = await ask(house, Pay(mark="stuck"))
    running = asyncio.create_task(runner.run(job_id))
    await begun.wait()
    await runner.stop()
    await running
    seen = await look(house, job_id)
    assert (seen.state, seen.attempt) == ("queued", 0)
    await runner.run(job_id)
    assert (await look(house, job_id)).state == "queued"


async def test_a_job_whose_workers_keep_dying_is_given_up(house: House, runner: Runner) -> None:
    job_id = await ask(house, Pay(mark="poison"))
    for _ in range(3):
        async with house.database.transaction() as session:
            assert await store.claim(session, job_id, "dies", timedelta(0))
    await runner.run(job_id)
    seen = await look(house, job_id)
    assert (seen.state, seen.error_code) == ("dead", "attempts_exhausted")
    assert await marks(house, "way back") == ["poison"]


async def test_a_held_job_cannot_be_claimed_until_its_lease_ends(house: House) -> None:
    job_id = await ask(house, Pay(mark="a"))

    async def claim(holder: str, lease: timedelta) -> bool:
        async with house.database.transaction() as session:
            return await store.claim(session, job_id, holder, lease) is not None

    assert await claim("one", timedelta(minutes=1))
    assert not await claim("two", timedelta(minutes=1))
    async with house.database.transaction() as session:
        await store.renew(session, "one", [job_id], timedelta(0))
    assert await claim("two", timedelta(minutes=1))


async def test_relays_that_work_at_once_share_and_double_nothing(house: House) -> None:
    async with house.database.transaction() as session:
        for number in range(20):
            await enqueue(session, Pay(mark=str(number)))
            await emit(session, ThingHappened(mark=str(number)))

    async def relay() -> list[UUID]:
        sent = []
        for _ in range(10):
            async with house.database.transaction() as session:
                await store.fan_out(session, registry_of(house), 3)
                sent += [due.id for due in await store.take_due(session, 7, timedelta(minutes=1))]
        return sent

    sent = [job_id for found in await asyncio.gather(*(relay() for _ in range(4))) for job_id in found]
    assert len(sent) == len(set(sent)) == 60
    async with house.database.reading() as session:
        assert {found.state for found in await jobs(session)} == {"sent"}


async def test_what_was_sent_and_not_begun_is_sent_again_ever_more_rarely(house: House) -> None:
    await ask(house, Pay(mark="a"))

    async def take(resend: timedelta) -> int:
        async with house.database.transaction() as session:
            return len(await store.take_due(session, 10, resend))

    assert await take(timedelta(0)) == 1
    assert await take(timedelta(minutes=1)) == 1
    assert await take(timedelta(0)) == 0
    async with house.database.engine.connect() as connection:
        wait = await connection.exec_driver_sql("SELECT wake_at - clock_timestamp() FROM kernel.jobs")
        assert timedelta(seconds=110) < wait.scalar_one() <= timedelta(seconds=120)
