"""Background work as Prometheus sees it: attempts where they run, queues as the jobs table has them.

What is read from the table is the same in every process: take the largest of what they say, never the sum.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import Gauge, Histogram
from sqlalchemy.exc import SQLAlchemyError

from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.work import store
from tillhouse.kernel.work.registry import Work, queue_of, registry_of

_log = get_logger(__name__)

_SECONDS = Histogram(
    "job_seconds",
    "Time of one attempt at a job",
    ["job", "lane", "outcome"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600),
)
_HERE = Gauge("worker_jobs_running", "Jobs that this process runs now", ["lane"])

_WAITING = Gauge("jobs_waiting", "Jobs that are due and not begun", ["queue"])
_LATER = Gauge("jobs_later", "Jobs that are not due yet", ["queue"])
_RUNNING = Gauge("jobs_running", "Jobs that a worker holds", ["queue"])
_DEAD = Gauge("jobs_dead", "Jobs that gave up", ["queue"])
_AGE = Gauge("queue_age_seconds", "For how long the oldest job has been due and not begun", ["queue"])
_EVENTS = Gauge("events_waiting", "Events whose handlers' jobs do not exist yet")
_GAUGES = (_WAITING, _LATER, _RUNNING, _DEAD, _AGE)
_PATIENCE = 3.0  # seconds for the database; a scrape must end


@dataclass
class Attempt:
    """One attempt while it runs. Whoever runs it says how it ended; who is stopped in the middle does not."""

    outcome: str = "interrupted"


@contextmanager
def measured(work: Work | None) -> Iterator[Attempt]:
    """Time the block as one attempt at `work` (None: no module of this process knows it)."""
    job, lane = (work.name, work.lane) if work else ("unknown", "unknown")
    attempt, started = Attempt(), time.monotonic()
    with _HERE.labels(lane).track_inprogress():
        try:
            yield attempt
        finally:
            _SECONDS.labels(job, lane, attempt.outcome).observe(time.monotonic() - started)


def count_attempt(work: Work, outcome: str, seconds: float) -> None:
    """Count an attempt that another one took along."""
    _SECONDS.labels(work.name, work.lane, outcome).observe(seconds)


async def read_queues(house: House) -> None:
    """Set the gauges of the queues from the jobs table; while the database is away there are none."""
    try:
        async with asyncio.timeout(_PATIENCE), house.database.reading() as session:
            found, events = await store.queues(session), await store.events_waiting(session)
    except (SQLAlchemyError, OSError) as error:
        _log.warning("database_away", error=type(error).__name__)
        for gauge in _GAUGES:
            gauge.clear()
        _EVENTS.set(float("nan"))
        return
    _show(house, found)
    _EVENTS.set(events)


def _show(house: House, found: list[store.QueueFacts]) -> None:
    """An empty queue counts 0: an alert on a series that comes and goes is never sure."""
    now = clock.now()
    figures: dict[str, dict[Gauge, float]] = defaultdict(lambda: dict.fromkeys(_GAUGES, 0.0))
    for work in registry_of(house).works.values():
        _ = figures[queue_of(work.name, work.lane)]
    for facts in found:
        of_queue = figures[queue_of(facts.name, facts.lane)]
        for gauge, count in ((_WAITING, facts.waiting), (_LATER, facts.later), (_RUNNING, facts.running)):
            of_queue[gauge] += count
        of_queue[_DEAD] += facts.dead
        if facts.oldest:
            of_queue[_AGE] = max(of_queue[_AGE], (now - facts.oldest).total_seconds())
    for gauge in _GAUGES:
        gauge.clear()
    for queue, of_queue in figures.items():
        for gauge, figure in of_queue.items():
            gauge.labels(queue).set(figure)
