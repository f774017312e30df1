"""The way out tells apart what matters for money: certainly not sent, and nobody knows."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tillhouse.kernel.db import Database
from tillhouse.kernel.outbound import NotSent, Outbound, OutcomeUnknown


@pytest.fixture
async def silent_server() -> AsyncIterator[str]:
    """Accepts a connection, reads, and hangs up without an answer."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()
    await server.wait_closed()


async def test_a_refused_connection_had_certainly_no_effect() -> None:
    outbound = Outbound()
    with pytest.raises(NotSent):
        await outbound.send("bank", "POST", "http://127.0.0.1:9/")
    await outbound.close()


async def test_a_connection_that_breaks_after_sending_leaves_the_outcome_unknown(silent_server: str) -> None:
    outbound = Outbound()
    with pytest.raises(OutcomeUnknown):
        await outbound.send("bank", "POST", silent_server, json={"amount": 1})
    await outbound.close()


async def test_a_slow_answer_leaves_the_outcome_unknown() -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("", request=request)

    outbound = Outbound(mounts={"http://bank": httpx.MockTransport(slow)})
    with pytest.raises(OutcomeUnknown):
        await outbound.send("bank", "POST", "http://bank/pay")
    await outbound.close()


async def test_an_answer_is_handed_over_whatever_its_status_and_never_repeated() -> None:
    calls = []

    def refuse(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return httpx.Response(500, json={"error": {"code": "SERVER_ERROR"}})

    outbound = Outbound(mounts={"http://bank": httpx.MockTransport(refuse)})
    answer = await outbound.send("bank", "POST", "http://bank/pay", auth=("key", "secret"), form={"a": "1"})
    assert (answer.status, answer.ok, len(calls)) == (500, False, 1)
    assert calls[0].headers["authorization"].startswith("Basic ")
    await outbound.close()


async def test_nothing_is_sent_while_a_transaction_is_open(database_url: str) -> None:
    database, outbound = Database(database_url), Outbound()
    async with database.transaction():
        with pytest.raises(RuntimeError, match="while a transaction is open"):
            await outbound.send("bank", "GET", "http://127.0.0.1:9/")
    async with database.reading():
        with pytest.raises(RuntimeError, match="while a transaction is open"):
            await outbound.send("bank", "GET", "http://127.0.0.1:9/")
    with pytest.raises(NotSent):
        await outbound.send("bank", "GET", "http://127.0.0.1:9/")
    await outbound.close()
    await database.close()
