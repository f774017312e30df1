"""One transaction at a time, committed at the edge."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.db import Database, after_commit, call, in_transaction


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    found = Database(database_url)
    yield found
    await found.close()


async def test_a_transaction_cannot_be_opened_inside_another(database: Database) -> None:
    async with database.transaction():
        with pytest.raises(RuntimeError, match="open already"):
            async with database.transaction():
                pass
    assert not in_transaction()


async def test_what_waits_for_the_commit_runs_after_it_and_not_after_a_rollback(database: Database) -> None:
    ran: list[str] = []
    async with database.transaction() as session:
        after_commit(session, lambda: ran.append("committed"))
        assert ran == []
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            after_commit(session, lambda: ran.append("rolled back"))
            raise ZeroDivisionError
    assert ran == ["committed"]


async def test_a_reading_session_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError, match="read-only"):
        async with database.reading() as session:
            await session.execute(text("DELETE FROM kernel.jobs"))


async def test_the_app_role_owns_nothing(database: Database) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        async with database.transaction() as session:
            await session.execute(text("CREATE TABLE kernel.mine (x int)"))


@asynccontextmanager
async def line(to: str) -> AsyncIterator[str]:
    """The database by a line on which the server's last word comes half a second before the end of the line."""
    ways: list[asyncio.Future[list[None]]] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
            await asyncio.sleep(0.5)
        writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(address.hostname, address.port)
        ways.append(asyncio.gather(carry(reader, server_writer), carry(server_reader, writer)))

    address = urlsplit(to)
    proxy = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    async with proxy:
        yield address._replace(netloc=address.netloc.replace(f":{address.port}", f":{port}")).geturl()
        await asyncio.gather(*ways)


@pytest.mark.parametrize("way", ["session", "call", "call in a session"])
@pytest.mark.parametrize("told", ["at once", "in two parts"])
async def test_a_connection_that_the_server_ended_fails_once_and_is_not_used_again(
    database_url: str, server: EmbeddedPostgres, way: str, told: str
) -> None:
    async with line(database_url) if told == "in two parts" else nullcontext(database_url) as url:
        database = Database(url, pool=1)

        async def ask() -> object:
            if way == "call":
                return (await database.call("SELECT pg_backend_pid()"))[0][0]
            async with database.transaction() as session:
                if way == "session":
                    return await session.scalar(text("SELECT pg_backend_pid()"))
                return (await call(session, "SELECT pg_backend_pid()"))[0][0]

        first = await ask()
        owner = await asyncpg.connect(server.superuser_dsn)
        await owner.execute("SELECT pg_terminate_backend($1, 10000)", first)
        await owner.close()
        await asyncio.sleep(0.05)  # what the server said has come
        with pytest.raises(DBAPIError) as lost:
            await ask()
        assert lost.value.connection_invalidated
        assert await ask() != first
        await database.close()


@pytest.mark.parametrize("told", ["at once", "in two parts"])
async def test_a_connection_that_the_server_ended_within_a_transaction_is_not_used_again(
    database_url: str, server: EmbeddedPostgres, told: str
) -> None:
    async with line(database_url) if told == "in two parts" else nullcontext(database_url) as url:
        database = Database(url, pool=1)
        first = None
        with pytest.raises(DBAPIError) as lost:
            async with database.transaction() as session:
                first = (await call(session, "SELECT pg_backend_pid()"))[0][0]
                owner = await asyncpg.connect(server.superuser_dsn)
                await owner.execute("SELECT pg_terminate_backend($1, 10000)", first)
                await owner.close()
                await asyncio.sleep(0.05)  # what the server said has come
                await call(session, "SELECT pg_backend_pid()")
        assert lost.value.connection_invalidated
        async with database.transaction() as session:
            assert (await call(session, "SELECT pg_backend_pid()"))[0][0] != first
        await database.close()


async def test_a_server_that_is_away_is_an_error_of_the_database_that_passes() -> None:
    database = Database("postgresql+asyncpg://till_app:secret@127.0.0.1:9/none")
    with pytest.raises(DBAPIError) as away:
        async with database.reading():
            pass
    assert away.value.orig is not None
    assert away.value.orig.sqlstate == "57P03"
    assert "secret" not in str(away.value)
    await database.close()
