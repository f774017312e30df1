"""The server's clock is set back, and the books go on: no later number below an earlier one, nothing final changes."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from tests.parts.ledger.books import BANK, Books, move, open_books, person, rupees
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.service import sealing

NO_MARGIN = timedelta(0)


@pytest.fixture
async def books(settings: KernelSettings) -> AsyncIterator[Books]:
    async with open_books(settings) as opened:
        yield opened


class Clock:
    """PostgreSQL's clock in the database of one test: it shows `ahead` more than it is."""

    def __init__(self, superuser: asyncpg.Connection, books: Books) -> None:
        self._superuser, self._books = superuser, books

    async def move(self, ahead: str) -> None:
        """Show another time from now on; what is connected begins anew, as its plans remember the function before."""
        await self._superuser.execute(f"""
            DO $$ BEGIN
                IF to_regproc('pg_catalog.true_clock') IS NULL THEN
                    ALTER FUNCTION pg_catalog.clock_timestamp() RENAME TO true_clock;
                END IF;
            END $$;
            CREATE OR REPLACE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
                AS $$ SELECT pg_catalog.true_clock() + interval '{ahead}' $$;
        """)
        await self._books.house.database.engine.dispose()

    async def watermark(self) -> datetime:
        """As it is read beside a transaction that is open."""
        found: datetime = await self._superuser.fetchval("SELECT ledger.watermark()")
        return found


@pytest.fixture
async def clock(books: Books, server: EmbeddedPostgres) -> AsyncIterator[Clock]:
    database = make_url(books.house.settings.database_url).database
    superuser = await asyncpg.connect(server.superuser_dsn, database=database)
    try:
        yield Clock(superuser, books)
    finally:
        await superuser.close()


async def shown(books: Books) -> float:
    """How many seconds ahead of its own clock the server is, as whatever runs in it reads the time."""
    async with books.transaction() as session:
        return float(await session.scalar(text("SELECT extract(epoch FROM clock_timestamp() - now())")) or 0)


async def test_the_clock_of_these_tests_is_really_set_back(books: Books, clock: Clock) -> None:
    await clock.move("-1 minute")
    assert -61 < await shown(books) < -59


@pytest.mark.parametrize("back", ["-1 second", "-1 minute", "-1 day"])
async def test_accounts_not_used_before_get_later_numbers_when_the_clock_was_set_back(
    books: Books, clock: Clock, back: str
) -> None:
    before = [await books.fund(person(), 5) for _ in range(3)]
    await clock.move(back)
    after = [await books.fund(person(), 5) for _ in range(2)]
    own = await books.post(move(ledger.house_account("clearing:new", "INR"), person(), 7))
    numbers = [one.id >> 12 for one in (*before, *after, own)]
    assert numbers == sorted(set(numbers))


async def test_what_was_final_stays_when_the_clock_is_set_back(books: Books, clock: Clock) -> None:
    """An account that nobody had used, asked for at an instant that was final: its later postings lie after it."""
    last = await books.fund(person(), 100)
    unused = person()
    async with books.house.database.reading() as session:
        before = await ledger.watermark(session)
        asked = await ledger.balance_at(session, unused, recorded=last.recorded_at)
    assert (asked.stable, asked.posted) == (True, rupees(0))
    await clock.move("-1 minute")
    await books.post(move(ledger.house_account("clearing:new", "INR"), unused, 5))
    async with books.house.database.reading() as session:
        again = await ledger.balance_at(session, unused, recorded=last.recorded_at)
        after = await ledger.watermark(session)
    assert (again.stable, again.posted) == (True, rupees(0))
    assert after > before


async def test_the_watermark_does_not_fall_while_a_posting_is_open_under_a_clock_set_back(
    books: Books, clock: Clock
) -> None:
    last = await books.fund(person(), 100)
    await clock.move("-1 minute")
    async with books.transaction() as session:
        stalled = await ledger.post(session, move(ledger.house_account("clearing:new", "INR"), person(), 5))
        held_back = await clock.watermark()
    # The lock of an open posting counts whole seconds.
    assert last.recorded_at - timedelta(seconds=1) <= held_back <= stalled.recorded_at


async def test_nothing_gets_under_a_sealed_block_when_the_clock_is_set_back(books: Books, clock: Clock) -> None:
    await books.fund(person(), 100)
    async with books.transaction() as session:
        sealed = await sealing.seal(session, margin=NO_MARGIN)
    assert sealed is not None
    await clock.move("-1 day")
    later = await books.post(move(ledger.house_account("clearing:new", "INR"), person(), 5))
    assert later.id > sealed.last_id
    async with books.transaction() as session:
        assert await sealing.seal(session, margin=NO_MARGIN) is not None
    async with books.house.database.reading() as session:
        assert await sealing.broken(session, lambda done, total: None) == []


async def test_nothing_takes_effect_in_a_closed_period_when_the_clock_is_set_back(books: Books, clock: Clock) -> None:
    async with books.house.database.reading() as session:
        until = await session.scalar(text("SELECT clock_timestamp()"))
    assert until is not None
    await books.close_period(until)
    await clock.move("-1 minute")
    assert (await books.post(move(BANK, person(), 5))).effective_at > until


async def test_a_clock_that_steps_between_many_writers_leaves_the_books_in_order(books: Books, clock: Clock) -> None:
    """What began after another had ended has the greater number, whoever wrote it."""
    rounds: list[list[int]] = []
    for ahead in ("0", "-1 minute", "1 minute", "-2 minutes", "-1 hour"):
        await clock.move(ahead)
        rounds.append([one.id for one in await asyncio.gather(*(books.fund(person(), 1) for _ in range(8)))])
        async with books.transaction() as session:
            await sealing.seal(session, margin=NO_MARGIN)
    for before, after in itertools.pairwise(rounds):
        assert max(before) < min(after)
    async with books.house.database.reading() as session:
        head = await sealing.head(session)
        assert head is not None
        assert head.last_id == max(rounds[-1])
        assert await sealing.broken(session, lambda done, total: None) == []


async def test_two_that_write_at_once_never_get_one_number(books: Books) -> None:
    written = await asyncio.gather(*(books.fund(person(), 1) for _ in range(40)))
    assert len({one.id for one in written}) == 40
