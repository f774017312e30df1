"""Everything the sandbox is made of, wired once and handed to every request."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from tillhouse.sandbox.agenda import Agenda
from tillhouse.sandbox.clock import Clock
from tillhouse.sandbox.faults import Faults
from tillhouse.sandbox.inbox import Inbox
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.store import Store
from tillhouse.sandbox.webhooks import Webhooks

_log = logging.getLogger(__name__)

# A task may cause a webhook and a webhook a task; a loop this long means that they cause each other for ever.
_MOST_ROUNDS = 1000
_LONGEST_NAP = 30.0
_DELIVERIES_AT_ONCE = 8


@dataclass(frozen=True)
class World:
    """The sandbox's state and doors."""

    settings: SandboxSettings
    clock: Clock
    store: Store
    faults: Faults
    inbox: Inbox
    webhooks: Webhooks
    agenda: Agenda
    wake: asyncio.Event
    keys_in_use: set[str] = field(default_factory=set)  # idempotency keys whose first call is under way
    _delivering: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def deliver_due(self, at_once: int = 1) -> int:
        """Do what is due and send what is due, until nothing is; returns how many webhook tries were made.

        Waits for a delivery under way, so that afterwards everything due has arrived.
        """
        async with self._delivering:
            return await self._deliver_until_nothing_is_due(at_once)

    async def close(self) -> None:
        """Give back the connections and the state file."""
        await self.webhooks.close()
        self.store.close()

    async def _deliver_until_nothing_is_due(self, at_once: int) -> int:
        tries = 0
        for _ in range(_MOST_ROUNDS):
            done = self.agenda.run_due()
            sent = await self.webhooks.deliver_due(at_once)
            tries += sent
            if not done and not sent:
                return tries
        raise RuntimeError("the sandbox's tasks and webhooks cause each other without end")

    async def run(self) -> None:
        """The background task of the real server: sleeps until something is due, then does it."""
        while True:
            self.wake.clear()
            try:
                await self.deliver_due(at_once=_DELIVERIES_AT_ONCE)
            except Exception:  # noqa: BLE001 - whatever it was, the outside world goes on
                _log.exception("sandbox: delivering failed, trying again in a second")
                await asyncio.sleep(1)
            await self._nap()

    async def _nap(self) -> None:
        due = self.store.next_due()
        wait = _LONGEST_NAP if due is None else (due - self.clock.now_ms()) / 1000
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), min(max(wait, 0.01), _LONGEST_NAP))


def build_world(settings: SandboxSettings, clock: Clock) -> World:
    """Open the state file and wire the parts."""
    store = Store(settings.state)
    wake = asyncio.Event()
    faults, inbox = Faults(store, clock), Inbox(store, clock)
    return World(
        settings=settings,
        clock=clock,
        store=store,
        faults=faults,
        inbox=inbox,
        webhooks=Webhooks(store, clock, faults, inbox, merchant_email=settings.merchant_email, wake=wake),
        agenda=Agenda(store, clock, wake),
        wake=wake,
    )


def _world_of(request: Request) -> World:
    world: World = request.app.state.world
    return world


Here = Annotated[World, Depends(_world_of)]
