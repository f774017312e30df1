"""What Prometheus is told of background work: attempts by how they ended, queues as the jobs table has them."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from tests.work import dummy
from tests.work.dummy import Grind, Pay, Tell, ThingHappened
from tillhouse.apps.broker import Sender
from tillhouse.apps.relay import Relay
from tillhouse.apps.worker import Runner
from tillhouse.kernel import clock
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import NotFound, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.work import Task, emit, enqueue, run_due
from tillhouse.kernel.work.metrics import read_queues
from tillhouse.kernel.work.store import DueJob
from tillhouse.kernel.work.timing import Timing

DUMMY = ("dummy.money", "dummy.quick", "dummy.slow")


@pytest.fixture(autouse=True)
def _time() -> Iterator[None]:
    with clock.held(clock.now()):
        yield


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Counted:
    """How often a job has ended in each way since this was made."""

    def __init__(self, job: str, lane: str) -> None:
        self._labels = {"job": job, "lane": lane}
        self._before = {outcome: self._now(outcome) for outcome in self.OUTCOMES}

    OUTCOMES = ("done", "retried", "dead", "cancelled", "lost", "interrupted")

    def _now(self, outcome: str) -> float:
        return value("job_seconds_count", outcome=outcome, **self._labels)

    def since(self) -> dict[str, float]:
        grown = {outcome: self._now(outcome) - self._before[outcome] for outcome in self.OUTCOMES}
        return {outcome: number for outcome, number in grown.items() if number}


async def ask(house: House, *tasks: Task, later: timedelta = timedelta(0)) -> None:
    async with house.database.transaction() as session:
        for what in tasks:
            await enqueue(session, what, run_at=clock.now() + later)


async def test_each_attempt_is_counted_by_job_lane_and_outcome(house: House) -> None:
    async def away(_session: Session) -> None:
        raise TransientError("later")

    async def gone(_session: Session) -> None:
        raise NotFound("gone")

    dummy.behaviour.update(away=away, gone=gone)
    paid, told = Counted("dummy.pay", "money"), Counted("dummy.tell", "quick")
    await ask(house, Pay(mark="a"), Pay(mark="b"), Pay(mark="away"), Pay(mark="gone"), Tell(mark="a"))
    await run_due(house)
    assert paid.since() == {"done": 2, "retried": 1, "dead": 1}
    assert told.since() == {"done": 1}


async def test_an_attempt_that_is_stopped_in_the_middle_counts_as_interrupted(house: House) -> None:
    begun = asyncio.Event()

    async def endless(_session: Session) -> None:
        begun.set()
        await asyncio.Event().wait()

    dummy.behaviour["stuck"] = endless
    counted, runner = Counted("dummy.pay", "money"), Runner(house, Timing(grace=timedelta(0)))
    async with house.database.transaction() as session:
        job_id = await enqueue(session, Pay(mark="stuck"))
    assert job_id
    running = asyncio.create_task(runner.run(job_id))
    await begun.wait()
    assert value("worker_jobs_running", lane="money") == 1
    await runner.stop()
    await running
    assert value("worker_jobs_running", lane="money") == 0
    assert counted.since() == {"interrupted": 1}


async def test_a_job_that_no_module_here_knows_brings_no_label_of_its_own(house: House) -> None:
    counted = Counted("unknown", "unknown")
    await ask(house, Pay(mark="a"))
    async with house.database.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE kernel.jobs SET name = 'made.up'")
    await run_due(house, raise_bugs=False)
    assert counted.since() == {"retried": 1}
    assert REGISTRY.get_sample_value("job_seconds_count", {"job": "made.up"}) is None


async def test_queues_are_read_from_the_jobs_table(house: House) -> None:
    await ask(house, Pay(mark="a"), Tell(mark="a"), later=-timedelta(seconds=90))
    await ask(house, Pay(mark="b"), later=-timedelta(seconds=5))
    await ask(house, Grind(mark="a"), later=timedelta(hours=1))
    await read_queues(house)
    assert [value("jobs_waiting", queue=queue) for queue in DUMMY] == [2, 1, 0]
    assert [value("jobs_later", queue=queue) for queue in DUMMY] == [0, 0, 1]
    assert [value("queue_age_seconds", queue=queue) for queue in DUMMY] == [90, 90, 0]


async def test_what_is_done_is_counted_no_more_and_an_empty_queue_is_zero(house: House) -> None:
    await ask(house, Pay(mark="a"))
    await run_due(house)
    await read_queues(house)
    for name in ("jobs_waiting", "jobs_later", "jobs_running", "jobs_dead", "queue_age_seconds"):
        found = [REGISTRY.get_sample_value(name, {"queue": queue}) for queue in DUMMY]
        assert found == [0, 0, 0], name


async def test_dead_and_running_jobs_are_counted(house: House) -> None:
    async def gone(_session: Session) -> None:
        raise NotFound("gone")

    dummy.behaviour["gone"] = gone
    await ask(house, Pay(mark="gone"))
    await run_due(house)
    await ask(house, Tell(mark="a"))
    async with house.database.engine.begin() as connection:
        await connection.exec_driver_sql(
            "UPDATE kernel.jobs SET state = 'running', lease_holder = 'one' WHERE state = 'queued'"
        )
    await read_queues(house)
    assert (value("jobs_dead", queue="dummy.money"), value("jobs_running", queue="dummy.quick")) == (1, 1)
    assert value("jobs_waiting", queue="dummy.quick") == 0


async def test_events_that_wait_for_the_relay_are_counted(house: House) -> None:
    async with house.database.transaction() as session:
        await emit(session, ThingHappened(mark="a"))
    await read_queues(house)
    assert value("events_waiting") == 1
    await run_due(house)
    await read_queues(house)
    assert value("events_waiting") == 0


async def test_while_the_database_is_away_no_figure_is_made_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await ask(house, Pay(mark="a"))
    await read_queues(house)

    async def away(_session: Session) -> None:
        raise OSError

    monkeypatch.setattr("tillhouse.kernel.work.store.queues", away)
    await read_queues(house)
    assert REGISTRY.get_sample_value("jobs_waiting", {"queue": "dummy.money"}) is None


async def test_the_relay_counts_what_it_sent_what_it_could_not_and_what_it_made_of_events(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send_the_first(_sender: Sender, due: list[DueJob]) -> list[DueJob]:
        return due[1:]

    monkeypatch.setattr(Sender, "send", send_the_first)
    names = [("relay_events_total", {})]
    names += [("relay_messages_total", {"queue": "dummy.money", "outcome": one}) for one in ("sent", "unsent")]
    before = [value(name, **labels) for name, labels in names]
    await ask(house, Pay(mark="a"), Pay(mark="b"))
    async with house.database.transaction() as session:
        await emit(session, ThingHappened(mark="a"))
    relay = Relay(house)
    await relay._send(await relay._take())
    grown = [value(name, **labels) - was for (name, labels), was in zip(names, before, strict=True)]
    assert grown == [1, 1, 2]
