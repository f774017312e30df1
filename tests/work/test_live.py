"""Live updates: watchers of a channel hear what has committed, in this process and in others."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.work import dummy
from tillhouse.apps.compose import build_house
from tillhouse.kernel import live
from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings


async def say(house: House, channel: str, message: JsonObject) -> None:
    async with house.database.transaction() as session:
        live.publish(session, channel, message)


async def next_of(stream: AsyncIterator[JsonObject]) -> JsonObject:
    async with asyncio.timeout(5):
        return await anext(stream)


async def test_a_watcher_hears_its_channel_alone_and_only_what_committed(
    house: House, settings: KernelSettings
) -> None:
    other = build_house(settings, catalogue=(dummy.MODULE,))
    watching = await live.watch(house, "person:1")
    with pytest.raises(ZeroDivisionError):
        async with house.database.transaction() as session:
            live.publish(session, "person:1", {"number": 0})
            raise ZeroDivisionError
    await say(other, "person:2", {"number": 1})
    await say(other, "person:1", {"number": 2})
    await say(house, "person:1", {"number": 3})
    assert {str(await next_of(watching)), str(await next_of(watching))} == {"{'number': 2}", "{'number': 3}"}
    await watching.aclose()
    await other.close()


async def test_after_the_connection_was_lost_a_watcher_is_told_to_look_again(house: House) -> None:
    watching = await live.watch(house, "person:1")
    async with house.database.engine.connect() as connection:
        listeners = "FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        await connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) {listeners}")
    assert await next_of(watching) == {"missed": True}
    await say(house, "person:1", {"number": 4})
    assert await next_of(watching) == {"number": 4}
    await watching.aclose()


async def test_events_are_written_as_the_browser_reads_them(house: House) -> None:
    response = live.sse_response(house, "person:1")
    assert response.media_type == "text/event-stream"
    parts = response.body_iterator.__aiter__()
    assert "retry:" in str(await anext(parts))
    await say(house, "person:1", {"number": 1})
    async with asyncio.timeout(5):
        assert await anext(parts) == 'event: message\ndata: {"number":1}\n\n'


async def test_a_message_too_long_for_a_hint_is_refused(house: House) -> None:
    async with house.database.transaction() as session:
        with pytest.raises(ValueError):
            live.publish(session, "person:1", {"text": "x" * 8000})
