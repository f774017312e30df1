"""A relay that is asked to stop."""

import asyncio
import threading

from sqlalchemy import text

from tests.work.dummy import Pay, Tick
from tests.work.fleet import until
from tests.work.test_jobs import ask
from tillhouse.apps.relay import Relay
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.work.store import note_fire

_SENT = text("SELECT count(*) FROM kernel.jobs WHERE state = 'sent'")
_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")


async def count(house: House, statement: object) -> int:
    async with house.database.reading() as session:
        return int((await session.execute(statement)).scalar_one())  # type: ignore[call-overload]


def threads() -> set[str]:
    """Of the broker's connections."""
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("pool-")}


async def test_a_schedule_that_it_is_firing_is_fired_before_it_stops(house: House) -> None:
    held, free = asyncio.Event(), asyncio.Event()

    async def hold_its_row() -> None:
        async with house.database.transaction() as session:
            await note_fire(session, Tick.name, clock.now())
            held.set()
            await free.wait()

    holding = asyncio.create_task(hold_its_row())
    await held.wait()
    relay = Relay(house)
    running = asyncio.create_task(relay.run())
    await until(lambda: waits(house), 20)
    relay.stop()
    assert await asyncio.wait({running}, timeout=0.5) == (set(), {running})
    free.set()
    await asyncio.wait_for(running, 20)
    await holding


async def waits(house: House) -> bool:
    return await count(house, _WAITING) > 0


async def test_what_it_sent_by_is_gone_with_it(house: House) -> None:
    before = threads()
    await ask(house, Pay(mark="a"))
    relay = Relay(house)
    running = asyncio.create_task(relay.run())
    await until(lambda: sent(house), 20)
    assert threads() > before
    relay.stop()
    await asyncio.wait_for(running, 20)
    assert threads() == before


async def sent(house: House) -> bool:
    return await count(house, _SENT) == 1
