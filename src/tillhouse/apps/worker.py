"""The worker: runs jobs, in lanes that cannot starve each other.

One process has one event loop, on which all its jobs run, and for each lane a Celery consumer whose threads only wait
for them. A process per lane costs 60 MB more for each (measured; forked from one that has loaded all): where that
is worth it, start them with `till worker --lane money`.
"""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, TypeVar
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from tillhouse.apps.broker import Consumer
from tillhouse.apps.compose import build_house
from tillhouse.apps.metrics import serve_metrics
from tillhouse.apps.runtime import keep_out_of_collections
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import configure_logs, get_logger
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import Lane, store
from tillhouse.kernel.work.registry import LANES, queue_of, registry_of
from tillhouse.kernel.work.running import run_claimed
from tillhouse.kernel.work.store import Claim
from tillhouse.kernel.work.timing import Timing

_log = get_logger("tillhouse.worker")

_AT_ONCE: Mapping[Lane, int] = MappingProxyType({"money": 4, "quick": 8, "slow": 2})
_LAST_SECONDS = 2.0  # for a lane whose jobs have ended to let go of its broker

T = TypeVar("T")

Reason = Literal["cancelled", "lost", "stopped"]
BuildHouse = Callable[[], House]


class Runner:
    """Runs the jobs of one lane on one event loop: claims, renews leases, stops what is cancelled or lost."""

    def __init__(self, house: House, timing: Timing) -> None:
        self._house = house
        self._timing = timing
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
        self._running: dict[UUID, asyncio.Task[object]] = {}
        self._reasons: dict[UUID, Reason] = {}
        self._stopping = False

    async def run(self, job_id: UUID) -> None:
        """Run one attempt, if there is one to run. A database that is away is the relay's to notice."""
        if self._stopping or job_id in self._running:
            return
        try:
            async with self._house.database.transaction() as session:
                claim = await store.claim(session, job_id, self._holder, self._timing.lease)
            if claim:
                await self._run_claimed(claim)
        except (SQLAlchemyError, OSError) as error:
            _log.warning("database_away", error=type(error).__name__, id=str(job_id))

    async def beat(self) -> None:
        """Renew the leases for as long as the process lives."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(self._timing.beat.total_seconds())
            held = list(self._running)
            try:
                if held:
                    self._obey(held, await self._renew(held))
                renewed = time.monotonic()
            except (SQLAlchemyError, OSError):
                if time.monotonic() - renewed > self._timing.lease.total_seconds():
                    self._stop(held, "lost")

    async def stop(self) -> None:
        """Let what runs go on for the grace, then give it back."""
        self._stopping = True
        if self._running:
            await asyncio.wait(self._running.values(), timeout=self._timing.grace.total_seconds())
        self._stop(list(self._running), "stopped")

    async def _run_claimed(self, claim: Claim) -> None:
        task = asyncio.create_task(run_claimed(self._house, claim))
        self._running[claim.id] = task
        try:
            await asyncio.wait([task])
            if task.cancelled():
                await self._write_end(claim, self._reasons.get(claim.id, "stopped"))
            else:
                task.result()
        finally:
            del self._running[claim.id]
            self._reasons.pop(claim.id, None)

    async def _write_end(self, claim: Claim, reason: Reason) -> None:
        if reason == "cancelled":
            await run_claimed(self._house, replace(claim, cancel_requested=True))
        elif reason == "stopped":
            async with self._house.database.transaction() as session:
                await store.give_back(session, claim)

    async def _renew(self, held: Sequence[UUID]) -> dict[UUID, bool]:
        async with self._house.database.transaction() as session:
            return await store.renew(session, self._holder, held, self._timing.lease)

    def _obey(self, held: Sequence[UUID], renewed: Mapping[UUID, bool]) -> None:
        self._stop([job_id for job_id in held if job_id not in renewed], "lost")
        self._stop([job_id for job_id, cancelled in renewed.items() if cancelled], "cancelled")

    def _stop(self, ids: Sequence[UUID], reason: Reason) -> None:
        for job_id in ids:
            if (task := self._running.get(job_id)) and not task.done():
                self._reasons.setdefault(job_id, reason)
                task.cancel()


class Worker:
    """The lanes of one process: one event loop for all jobs, and for each lane a consumer with threads of its own."""

    def __init__(self, build: BuildHouse, lanes: Sequence[Lane], timing: Timing | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._jobs = threading.Thread(target=self._loop.run_forever, name="jobs", daemon=True)
        self._jobs.start()
        self._house, self._runner = self._on_loop(_open(build, timing or Timing()))
        self._consumers = [self._consumer(lane, queues) for lane, queues in _queues_of(self._house, lanes).items()]
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Take no more. May be called from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop`, then finish or give back. Raises `LaneDied` when a lane ended by itself."""
        threads = [threading.Thread(target=one.serve, name="lane", daemon=True) for one in self._consumers]
        for thread in threads:
            thread.start()
        while not self._stopping.wait(0.2) and all(thread.is_alive() for thread in threads):
            pass
        died = not self._stopping.is_set()
        Consumer.stop()
        self._on_loop(self._runner.stop())
        for thread in threads:
            thread.join(_LAST_SECONDS)
        self._on_loop(self._house.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        if died:
            raise LaneDied

    def _consumer(self, lane: Lane, queues: Sequence[str]) -> Consumer:
        return Consumer(self._house.settings, queues, _AT_ONCE[lane], self._run_job)

    def _run_job(self, job_id: str) -> None:
        self._on_loop(self._runner.run(UUID(job_id)))

    def _on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class LaneDied(Exception):
    """A lane ended by itself: the process ends too, for its supervisor to start it again."""


def run_worker(build: BuildHouse, lanes: Sequence[Lane] = LANES, timing: Timing | None = None) -> None:
    """Work in these lanes until SIGTERM or SIGINT. `build` is called on the event loop that the jobs will run on."""
    worker = Worker(build, lanes, timing)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: worker.stop())
    worker.run()


def main(modules: Sequence[str] = (), lanes: Sequence[Lane] = LANES) -> None:
    """Work for the named modules (all, when none is named) in these lanes, from the environment's settings."""
    connections = sum(_AT_ONCE[lane] for lane in lanes) + 2
    settings = KernelSettings.load().model_copy(update={"database_pool": connections})
    configure_logs(settings)
    serve_metrics(settings)

    def build() -> House:
        house = build_house(settings, serve=modules, process="worker")
        keep_out_of_collections()
        return house

    run_worker(build, lanes)


async def _open(build: BuildHouse, timing: Timing) -> tuple[House, Runner]:
    house = build()
    runner = Runner(house, timing)
    beats = asyncio.create_task(runner.beat())

    async def stop_beating() -> None:
        beats.cancel()
        await asyncio.wait([beats])

    house.on_close(stop_beating)
    return house, runner


def _queues_of(house: House, lanes: Sequence[Lane]) -> Mapping[Lane, Sequence[str]]:
    """The queues of the served modules that have work in these lanes, lane by lane."""
    served = {*house.serves, "kernel"}
    works = [work for work in registry_of(house).works.values() if work.name.partition(".")[0] in served]
    queues = {lane: sorted({queue_of(work.name, lane) for work in works if work.lane == lane}) for lane in lanes}
    return {lane: found for lane, found in queues.items() if found}
