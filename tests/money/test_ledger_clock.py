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
        self.superuser, self._books = superuser, books

    async def move(self, ahead: str) -> None:
        """Show another time from now on; what is connected begins anew, as its plans remember the function before."""
        await self.superuser.execute(f"""
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
        found: datetime = await self.superuser.fetchval("SELECT ledger.watermark()")
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


class Stall:
    """Whoever raises `ledger.latest` stops between reading and writing it, as a process that is not given the processor
    does, until it is let go.
    """

    raising = "locktype = 'advisory' AND classid = 1 AND objid = 3119187708"  # 7414155004, as pg_locks shows it

    def __init__(self, superuser: asyncpg.Connection) -> None:
        self._superuser = superuser

    async def begin(self) -> None:
        await self._superuser.execute(f"""
            SELECT pg_advisory_lock(1);
            ALTER FUNCTION pg_catalog.pg_sequence_last_value(regclass) RENAME TO true_last_value;
            CREATE FUNCTION pg_catalog.pg_sequence_last_value(regclass) RETURNS bigint LANGUAGE plpgsql AS $$
            DECLARE
                found bigint := pg_catalog.true_last_value($1);
            BEGIN
                IF EXISTS (SELECT FROM pg_locks WHERE {self.raising} AND pid = pg_backend_pid() AND granted) THEN
                    PERFORM pg_advisory_lock_shared(1), pg_advisory_unlock_shared(1);
                END IF;
                RETURN found;
            END
            $$;
        """)

    async def seen(self, there: str) -> bool:
        """Whether somebody is seen in pg_locks like this."""
        return bool(await self._superuser.fetchval(f"SELECT EXISTS (SELECT FROM pg_locks WHERE {there})"))

    async def end(self) -> None:
        await self._superuser.execute("SELECT pg_advisory_unlock(1)")


@pytest.fixture
async def stall(clock: Clock) -> Stall:
    return Stall(clock.superuser)


async def test_one_that_stops_while_it_notes_its_time_sets_nobody_back(
    books: Books, clock: Clock, stall: Stall
) -> None:
    """More than a hundred others wrote meanwhile, or waited."""
    await books.fund(person(), 1)
    await clock.move("-1 hour")
    await stall.begin()
    slow = asyncio.create_task(books.post(move(ledger.house_account("clearing:slow", "INR"), person(), 1)))
    while not await stall.seen("locktype = 'advisory' AND classid = 0 AND objid = 1 AND NOT granted"):
        pass

    async def others() -> list[ledger.Transaction]:
        return [await books.post(move(ledger.house_account(f"clearing:{n}", "INR"), person(), 1)) for n in range(250)]

    written = asyncio.create_task(others())
    while not (written.done() or await stall.seen(f"{stall.raising} AND NOT granted")):
        pass
    final = await clock.watermark()
    await stall.end()
    ended = [*await written, await slow]
    later = await books.post(move(ledger.house_account("clearing:later", "INR"), person(), 1))
    assert later.id >> 12 > max(one.id >> 12 for one in ended)
    assert later.recorded_at >= final


async def test_one_that_is_killed_while_it_notes_its_time_keeps_nobody_waiting(
    books: Books, clock: Clock, stall: Stall
) -> None:
    last = await books.fund(person(), 1)
    await clock.move("-1 hour")
    await stall.begin()
    killed = asyncio.create_task(books.post(move(ledger.house_account("clearing:slow", "INR"), person(), 1)))
    while not await stall.seen("locktype = 'advisory' AND classid = 0 AND objid = 1 AND NOT granted"):
        pass
    await clock.superuser.execute(f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE {stall.raising} AND granted")
    (ended,) = await asyncio.gather(killed, return_exceptions=True)
    assert isinstance(ended, Exception)
    await stall.end()
    assert (await books.post(move(ledger.house_account("clearing:new", "INR"), person(), 1))).id > last.id


@pytest.mark.parametrize("way", ["SELECT ledger.pass_time()", "SELECT ledger.seal('0', 10)"])
async def test_a_pass_of_time_that_is_refused_leaves_nothing_locked(books: Books, clock: Clock, way: str) -> None:
    await books.fund(person(), 1)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with clock.superuser.transaction(readonly=True):
            await clock.superuser.execute(way)
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    assert await clock.superuser.fetchval(held) == 0
