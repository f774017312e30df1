"""One transaction at a time, committed at the edge."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

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
