"""The relay: makes handlers' jobs of events, sends due jobs to the workers, fires schedules.

Any number of relays may run: they share the work by row locks. None is needed for what has been sent already.
"""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Literal

from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from tillhouse.apps.broker import SENT, Sender
from tillhouse.apps.compose import build_house
from tillhouse.apps.metrics import serve_metrics
from tillhouse.apps.runtime import keep_out_of_collections
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import configure_logs, get_logger
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.signals import Listener, notifier_of
from tillhouse.kernel.work import fire_schedules, store
from tillhouse.kernel.work.outbox import WORK_WAITS
from tillhouse.kernel.work.registry import queue_of, registry_of
from tillhouse.kernel.work.store import DueJob
from tillhouse.kernel.work.timing import Timing

_log = get_logger("tillhouse.relay")
_SCHEDULES_EVERY_SECONDS = 1.0
_PAUSE_SECONDS = 0.5  # after the database or the broker was away
_PUT_BACK = timedelta(seconds=1)

_EVENTS = Counter("relay_events", "Events that were made jobs of")
_MESSAGES = Counter("relay_messages", "Messages to workers, by queue and by what became of them", ["queue", "outcome"])
_FIRED = Counter("schedules_fired", "Jobs made by their schedule", ["job"])


class Relay:
    """One relay of a house that has every module."""

    def __init__(self, house: House, timing: Timing | None = None) -> None:
        self._house = house
        self._timing = timing or Timing()
        self._sender = Sender(house.settings)
        self._awake = asyncio.Event()
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Finish what is at hand and return. May be called from a signal handler of the event loop."""
        self._stopped.set()
        self._awake.set()

    async def run(self) -> None:
        """Work until `stop`. A database or broker that is away is waited for."""
        listener = Listener(self._house.settings.database_url, lambda _channel, _payload: self._awake.set())
        await listener.listen(WORK_WAITS)
        schedules = asyncio.create_task(self._keep_schedules())
        try:
            while not self._stopped.is_set():
                await self._round()
        finally:
            self._stopped.set()
            await schedules  # never cancelled: a statement that is cut off costs its connection
            await listener.close()
            await asyncio.to_thread(self._sender.close)

    async def _round(self) -> None:
        self._awake.clear()
        try:
            async with self._house.database.reading() as session:
                waits = await store.anything_waits(session)
            if waits:
                await self._send(await self._take())
                return
        except (SQLAlchemyError, OSError) as error:
            _log.warning("database_away", error=type(error).__name__)
            await asyncio.sleep(_PAUSE_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._awake.wait(), self._timing.poll.total_seconds())

    async def _take(self) -> list[DueJob]:
        async with self._house.database.transaction() as session:
            events = await store.fan_out(session, registry_of(self._house), self._timing.batch)
            due = await store.take_due(session, self._timing.batch, self._timing.resend)
        _EVENTS.inc(events)
        return due

    async def _send(self, due: Sequence[DueJob]) -> None:
        if not due:
            return
        unsent = await asyncio.to_thread(self._sender.send, due)
        _count(due[: len(due) - len(unsent)], "sent")
        _count(unsent, "unsent")
        if len(unsent) < len(due):
            notifier_of(self._house).send(SENT)
        if unsent:
            async with self._house.database.transaction() as session:
                await store.put_back(session, [job.id for job in unsent], _PUT_BACK)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _keep_schedules(self) -> None:
        while not self._stopped.is_set():
            try:
                for name in await fire_schedules(self._house):
                    _FIRED.labels(name).inc()
                    _log.info("schedule_fired", job=name)
            except (SQLAlchemyError, OSError) as error:
                _log.warning("database_away", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _SCHEDULES_EVERY_SECONDS)


def _count(jobs: Sequence[DueJob], outcome: Literal["sent", "unsent"]) -> None:
    for job in jobs:
        _MESSAGES.labels(queue_of(job.name, job.lane), outcome).inc()


async def relay(house: House, timing: Timing | None = None) -> None:
    """Run a relay until SIGTERM or SIGINT, then close the house."""
    running = Relay(house, timing)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.stop)
    try:
        await running.run()
    finally:
        await house.close()


def main() -> None:
    """Run a relay for the whole catalogue from the environment's settings."""
    settings = KernelSettings.load().model_copy(update={"database_pool": 3})
    configure_logs(settings)
    serve_metrics(settings)

    async def start() -> None:
        house = build_house(settings, process="relay")
        keep_out_of_collections()
        await relay(house)

    asyncio.run(start())
