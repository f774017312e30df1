"""The way out tells apart what matters for money: certainly not sent, and nobody knows."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from tillhouse.kernel.db import Database
from tillhouse.kernel.outbound import Answer, NotSent, Outbound, OutcomeUnknown


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


# To an address that somebody else chose


@asynccontextmanager
async def answering(*pieces: bytes, then: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that sends `pieces` to whoever comes, and then does something else until they go."""
    visits = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(asyncio.current_task())
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
            await writer.drain()
            await then(writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()
    await asyncio.gather(*(visit for visit in visits if visit))


async def deliver(outbound: Outbound, url: str, *, address: str | None = None, seconds: float = 20) -> Answer:
    return await outbound.deliver("hooks", url, b"{}", {}, address=address, seconds=seconds, keep=2048)


async def test_an_answer_without_end_is_read_as_far_as_it_is_kept() -> None:
    async def for_ever(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    outbound = Outbound()
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n", then=for_ever) as url:
        answer = await deliver(outbound, url)
    assert (answer.status, answer.body) == (200, b"x" * 2048)
    await outbound.close()


async def test_an_answer_that_comes_a_drop_at_a_time_is_given_up() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    outbound = Outbound()
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n", then=drip) as url:
        with pytest.raises(OutcomeUnknown):
            await deliver(outbound, url, seconds=0.3)
    await outbound.close()


async def test_what_is_packed_is_kept_packed() -> None:
    async def end(writer: asyncio.StreamWriter) -> None:
        return None

    bomb = gzip.compress(b"0" * 1_000_000)
    outbound = Outbound()
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", bomb, then=end) as url:
        answer = await deliver(outbound, url)
    assert answer.body == bomb[:2048]
    await outbound.close()


async def test_a_certificate_is_asked_of_the_host_whatever_address_is_called() -> None:
    hello = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello.set_result(await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    outbound = Outbound()
    url = f"https://hooks.example.com:{server.sockets[0].getsockname()[1]}/"
    with pytest.raises(NotSent):
        await deliver(outbound, url, address="127.0.0.1")
    assert b"hooks.example.com" in await hello  # the name in the ClientHello is the one that is verified
    server.close()
    await outbound.close()


async def test_nothing_is_delivered_while_a_transaction_is_open(database_url: str) -> None:
    database, outbound = Database(database_url), Outbound()
    async with database.transaction():
        with pytest.raises(RuntimeError, match="while a transaction is open"):
            await deliver(outbound, "http://127.0.0.1:9/")
    await outbound.close()
    await database.close()
