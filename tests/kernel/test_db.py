"""One transaction at a time, committed at the edge."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.db import Database, after_commit, in_transaction


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


@pytest.mark.parametrize("way", ["session", "call"])
async def test_a_connection_that_the_server_ended_fails_once_and_is_not_used_again(
    database_url: str, server: EmbeddedPostgres, way: str
) -> None:
    database = Database(database_url, pool=1)

    async def ask() -> object:
        if way == "call":
            return (await database.call("SELECT pg_backend_pid()"))[0][0]
        async with database.reading() as session:
            return await session.scalar(text("SELECT pg_backend_pid()"))

    first = await ask()
    owner = await asyncpg.connect(server.superuser_dsn)
    await owner.execute("SELECT pg_terminate_backend($1)", first)
    await owner.close()
    with pytest.raises(DBAPIError) as lost:
        await ask()
    assert lost.value.connection_invalidated
    assert await ask() != first
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
