"""Jobs and events in one process: `run_due`, whose every ending is the worker's."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.work import dummy
from tests.work.dummy import Grind, Pay, Tell, ThingHappened, Tick
from tillhouse.kernel.clock import TestClock
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import Conflict, NotFound, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import (
    JobRun,
    JobView,
    Task,
    cancel,
    dead_jobs,
    emit,
    enqueue,
    fire_schedules,
    job,
    jobs,
    replay,
    run_due,
)


async def ask(
    house: House,
    what: Task,
    *,
    run_at: datetime | None = None,
    unique: str | None = None,
    deadline: datetime | None = None,
) -> UUID:
    async with house.database.transaction() as session:
        job_id = await enqueue(session, what, run_at=run_at, unique=unique, deadline=deadline)
    assert job_id is not None
    return job_id


async def look(house: House, job_id: UUID) -> JobView:
    async with house.database.reading() as session:
        return await job(session, job_id)


async def marks(house: House, made_by: str = "%") -> list[str]:
    async with house.database.reading() as session:
        return await dummy.marks(session, made_by)


async def test_a_committed_job_runs_once_and_a_rolled_back_one_never(house: House) -> None:
    job_id = await ask(house, Pay(mark="kept"))
    with pytest.raises(ZeroDivisionError):
        async with house.database.transaction() as session:
            await enqueue(session, Pay(mark="undone"))
            raise ZeroDivisionError
    assert [ran.outcome for ran in await run_due(house)] == ["done"]
    assert await run_due(house) == []
    assert await marks(house) == ["kept"]
    assert (await look(house, job_id)).state == "done"


async def test_each_handler_of_an_event_has_its_effect_once(house: House) -> None:
    async with house.database.transaction() as session:
        await emit(session, ThingHappened(mark="it"))
    await run_due(house)
    await run_due(house)
    assert await marks(house, "react") == ["it"]
    assert await marks(house, "react too") == ["it"]


async def test_a_unique_job_is_asked_for_once(house: House) -> None:
    await ask(house, Pay(mark="a"), unique="order-1")
    async with house.database.transaction() as session:
        assert await enqueue(session, Pay(mark="a"), unique="order-1") is None
        assert await enqueue(session, Tell(mark="a"), unique="order-1") is not None
    await run_due(house)
    async with house.database.transaction() as session:
        assert await enqueue(session, Pay(mark="a"), unique="order-1") is None
    assert await marks(house, "pay") == ["a"]


async def test_a_job_waits_for_its_time(house: House, time: TestClock) -> None:
    await ask(house, Pay(mark="later"), run_at=time.at + timedelta(hours=1))
    assert await run_due(house) == []
    time.advance(timedelta(hours=1))
    await run_due(house)
    assert await marks(house) == ["later"]


async def test_a_transient_failure_is_tried_again_later_and_its_effect_rolled_back(
    house: House, time: TestClock
) -> None:
    async def away(_session: Session) -> None:
        raise TransientError("The bank is away.")

    dummy.behaviour["x"] = away
    job_id = await ask(house, Tell(mark="x"))
    assert [ran.outcome for ran in await run_due(house)] == ["retried"]
    assert await marks(house) == []
    seen = await look(house, job_id)
    assert (seen.state, seen.attempt, seen.error_code) == ("queued", 1, "temporarily_unavailable")
    del dummy.behaviour["x"]
    time.advance(timedelta(hours=1))
    await run_due(house)
    assert await marks(house) == ["x"]


async def test_after_its_last_attempt_a_job_is_dead_and_the_way_back_is_taken(house: House, time: TestClock) -> None:
    async def broken(_session: Session) -> None:
        raise KeyError("somebody@example.com")

    dummy.behaviour["x"] = broken
    job_id = await ask(house, Pay(mark="x"))
    outcomes = []
    for _ in range(4):
        outcomes += [ran.outcome for ran in await run_due(house, raise_bugs=False)]
        time.advance(timedelta(hours=1))
    assert outcomes == ["retried", "retried", "dead"]
    assert await marks(house, "pay") == []
    assert await marks(house, "way back") == ["x"]
    seen = await look(house, job_id)
    assert seen.error_code == "KeyError"
    assert "somebody" not in (seen.error_message or "")


async def test_a_bug_in_a_job_is_raised_to_the_test_that_ran_it(house: House) -> None:
    async def broken(_session: Session) -> None:
        raise KeyError

    dummy.behaviour["x"] = broken
    job_id = await ask(house, Pay(mark="x"))
    with pytest.raises(KeyError):
        await run_due(house)
    assert (await look(house, job_id)).state == "queued"


async def test_a_refusal_ends_the_job_at_once(house: House) -> None:
    async def refuse(_session: Session) -> None:
        raise Conflict("This order is closed.")

    dummy.behaviour["x"] = refuse
    job_id = await ask(house, Pay(mark="x"))
    assert [ran.outcome for ran in await run_due(house)] == ["dead"]
    seen = await look(house, job_id)
    assert (seen.state, seen.error_code, seen.error_message) == ("dead", "conflict", "This order is closed.")


async def test_a_dead_job_is_replayed_with_all_its_attempts(house: House) -> None:
    async def refuse(_session: Session) -> None:
        raise Conflict("Not yet.")

    dummy.behaviour["x"] = refuse
    job_id = await ask(house, Tell(mark="x"))
    await run_due(house)
    async with house.database.reading() as session:
        assert [dead.id for dead in await dead_jobs(session)] == [job_id]
    del dummy.behaviour["x"]
    async with house.database.transaction() as session:
        await replay(session, job_id)
    await run_due(house)
    assert await marks(house) == ["x"]
    seen = await look(house, job_id)
    assert (seen.state, seen.attempt) == ("done", 1)
    with pytest.raises(Conflict):
        async with house.database.transaction() as session:
            await replay(session, job_id)
    with pytest.raises(NotFound):
        async with house.database.transaction() as session:
            await replay(session, new_id())


async def test_a_job_past_its_deadline_is_given_up_with_the_way_back(house: House, time: TestClock) -> None:
    job_id = await ask(house, Pay(mark="late"), deadline=time.at + timedelta(minutes=5))
    time.advance(timedelta(minutes=5))
    await run_due(house)
    assert await marks(house, "pay") == []
    assert await marks(house, "way back") == ["late"]
    assert (await look(house, job_id)).error_code == "deadline_passed"


async def test_a_cancelled_job_never_runs_and_takes_the_way_back(house: House, time: TestClock) -> None:
    job_id = await ask(house, Pay(mark="no"), run_at=time.at + timedelta(days=1))
    async with house.database.transaction() as session:
        await cancel(session, job_id)
    await run_due(house)
    assert await marks(house) == ["no"]
    assert await marks(house, "way back") == ["no"]
    assert (await look(house, job_id)).state == "cancelled"
    with pytest.raises(Conflict):
        async with house.database.transaction() as session:
            await cancel(session, job_id)


async def test_a_running_flow_shows_progress_and_stops_at_its_next_pause_when_cancelled(house: House) -> None:
    seen: list[JobView] = []

    async def long(run: JobRun) -> None:
        await run.progress(1, 3, "Reading")
        seen.append(await look(house, run.job_id))
        async with run.transaction() as session:
            await cancel(session, run.job_id)
        await run.progress(2, 3)
        raise AssertionError("a cancelled flow goes no further")

    dummy.flow_behaviour["x"] = long
    job_id = await ask(house, Grind(mark="x"))
    assert [ran.outcome for ran in await run_due(house)] == ["cancelled"]
    assert (seen[0].progress_done, seen[0].progress_total, seen[0].progress_note) == (1, 3, "Reading")
    assert await marks(house) == []
    assert (await look(house, job_id)).state == "cancelled"


async def test_a_job_takes_others_of_its_kind_along_that_wait_for_their_first_attempt(
    house: House, time: TestClock
) -> None:
    """Done in one transaction with their effect, or put back: then each is tried by itself."""
    taken: list[list[str]] = []

    async def leads(run: JobRun) -> None:
        along = await run.take_along(Grind, 10)
        taken.append(sorted(one.task.mark for one in along))
        done = [one for one in along if one.task.mark == "done"]
        async with run.transaction() as session:
            await dummy.mark(session, "grind", "for another")
            if done:
                await run.finish_along(session, done)
        await run.put_back([one for one in along if one.task.mark == "bug"], ValueError())
        await run.put_back([one for one in along if one.task.mark == "busy"], TransientError("Later."))

    dummy.flow_behaviour |= dict.fromkeys(("first", "bug"), leads)
    await ask(house, Pay(mark="of another kind"))
    ids = {mark: await ask(house, Grind(mark=mark)) for mark in ("first", "done", "bug", "busy")}
    ids["later"] = await ask(house, Grind(mark="later"), run_at=time.at + timedelta(hours=1))
    await run_due(house)
    assert taken == [["bug", "busy", "done"], []]
    seen = {mark: await look(house, job_id) for mark, job_id in ids.items()}
    assert {mark: (one.state, one.attempt) for mark, one in seen.items()} == {
        "first": ("done", 1), "done": ("done", 1), "bug": ("done", 2), "busy": ("queued", 1), "later": ("queued", 0),
    }  # fmt: skip
    assert await marks(house) == ["bug", "first", "for another", "for another", "of another kind"]
    assert seen["busy"].run_at > time.at


async def test_what_was_taken_along_and_lost_meanwhile_is_not_done_twice(house: House) -> None:
    async def leads(run: JobRun) -> None:
        along = await run.take_along(Grind, 10)
        async with run.transaction() as session:
            lost = "UPDATE kernel.jobs SET state = 'sent', lease_holder = NULL WHERE payload ->> 'mark' = 'other'"
            await session.execute(text(lost))
        async with run.transaction() as session:
            await dummy.mark(session, "grind", "too late")
            await run.finish_along(session, along)

    dummy.flow_behaviour["first"] = leads
    await ask(house, Grind(mark="first"))
    other = await ask(house, Grind(mark="other"))
    assert (await run_due(house))[0].outcome == "lost"
    assert "too late" not in await marks(house)
    assert (await look(house, other)).attempt == 2


async def test_a_job_over_its_time_limit_is_tried_again(house: House) -> None:
    async def forever(_session: Session) -> None:
        await asyncio.Event().wait()

    dummy.behaviour["x"] = forever
    job_id = await ask(house, Tell(mark="x"))
    assert [ran.outcome for ran in await run_due(house)] == ["retried"]
    assert (await look(house, job_id)).error_code == "time_limit"
    assert await marks(house) == []


async def test_the_way_back_is_tried_until_it_succeeds(
    house: House, time: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await ask(house, Pay(mark="x"), deadline=time.at)
    real = dummy.mark

    async def broken(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(dummy, "mark", broken)
    assert [ran.outcome for ran in await run_due(house, raise_bugs=False)] == ["retried"]
    assert (await look(house, job_id)).state == "queued"
    monkeypatch.setattr(dummy, "mark", real)
    time.advance(timedelta(hours=1))
    assert [ran.outcome for ran in await run_due(house)] == ["dead"]
    assert await marks(house, "way back") == ["x"]


async def test_an_attempt_that_lost_its_lease_changes_nothing(house: House) -> None:
    async def robbed(session: Session) -> None:
        async with house.database.engine.begin() as other:
            await other.exec_driver_sql("UPDATE kernel.jobs SET lease_holder = 'another'")

    dummy.behaviour["x"] = robbed
    job_id = await ask(house, Pay(mark="x"))
    assert [ran.outcome for ran in await run_due(house)] == ["lost"]
    assert await marks(house) == []
    assert (await look(house, job_id)).state == "running"


async def test_a_schedule_fires_once_per_fire_time_however_many_relays_ask(house: House, time: TestClock) -> None:
    time.at = datetime(2026, 1, 1, 12, 4, tzinfo=UTC)
    assert await fire_schedules(house) == []
    time.at = datetime(2026, 1, 1, 12, 10, tzinfo=UTC)
    fired = await asyncio.gather(*(fire_schedules(house) for _ in range(4)))
    assert [name for names in fired for name in names if name == Tick.name] == ["dummy.tick"]
    time.at = datetime(2026, 1, 1, 12, 55, tzinfo=UTC)
    fired = await asyncio.gather(*(fire_schedules(house) for _ in range(4)))
    assert [name for names in fired for name in names if name == Tick.name] == ["dummy.tick"]
    await run_due(house)
    assert await marks(house, "tick") == ["tick", "tick"]
    async with house.database.reading() as session:
        assert len(await jobs(session, name=Tick.name)) == 2


async def test_finished_work_is_forgotten_and_unfinished_and_recent_work_is_not(house: House, time: TestClock) -> None:
    async with house.database.transaction() as session:
        await emit(session, ThingHappened(mark="old"))
    await ask(house, Pay(mark="old"))
    waiting = await ask(house, Pay(mark="waiting"), run_at=time.at + timedelta(days=60))
    await run_due(house)
    await fire_schedules(house)
    time.advance(timedelta(days=15))
    await fire_schedules(house)
    recent = await ask(house, Tell(mark="recent"))
    await run_due(house)
    async with house.database.reading() as session:
        left = {found.id for found in await jobs(session)}
        events = await session.connection()
        assert (await events.exec_driver_sql("SELECT count(*) FROM kernel.events")).scalar_one() == 0
    assert {waiting, recent} <= left
    async with house.database.reading() as session:
        assert {found.name for found in await jobs(session)} <= {
            "dummy.pay", "dummy.tell", "dummy.tick", "kernel.check_invariants", "kernel.forget_finished_work",
        }  # fmt: skip
        assert len(await jobs(session, name="dummy.pay")) == 1
