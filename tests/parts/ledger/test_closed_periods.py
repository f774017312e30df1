"""A closed period takes no posting any more, and an open posting can be seen from outside."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.parts.ledger.books import BANK, Books, key, move, person, plain
from tillhouse.parts.ledger import api as ledger

NEW_YEAR = datetime(2025, 1, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


async def test_a_posting_that_takes_effect_in_a_closed_period_is_refused_and_writes_nothing(books: Books) -> None:
    await books.close_period(NEW_YEAR)
    before = await books.everything()
    with pytest.raises(ledger.PeriodClosed):
        await books.post(replace(move(BANK, person(), 5), effective_at=NEW_YEAR - INSTANT))
    assert await books.everything() == before


async def test_what_takes_effect_from_the_end_of_the_period_on_is_written(books: Books) -> None:
    await books.close_period(NEW_YEAR)
    await books.post(replace(move(BANK, person(), 5), effective_at=NEW_YEAR))
    await books.post(move(BANK, person(), 5))


async def test_the_latest_closing_counts_whatever_the_order(books: Books) -> None:
    await books.close_period(NEW_YEAR)
    await books.close_period(NEW_YEAR - timedelta(days=30))
    with pytest.raises(ledger.PeriodClosed):
        await books.post(replace(move(BANK, person(), 5), effective_at=NEW_YEAR - INSTANT))


async def test_what_was_written_before_the_closing_is_replayed_after_it(books: Books) -> None:
    posting = replace(move(BANK, person(), 5, key()), effective_at=NEW_YEAR - INSTANT)
    first = await books.post(posting)
    await books.close_period(NEW_YEAR)
    assert await books.post(posting) == replace(first, replayed=True)


async def test_in_a_bulk_only_those_in_the_closed_period_are_refused(books: Books) -> None:
    await books.close_period(NEW_YEAR)
    wallet = person()
    late = replace(move(BANK, wallet, 5), effective_at=NEW_YEAR - INSTANT)
    async with books.transaction() as session:
        results = await ledger.post_many(session, [move(BANK, wallet, 1), late, move(BANK, wallet, 2)])
    assert [isinstance(result, ledger.PeriodClosed) for result in results] == [False, True, False]
    assert await books.balance(wallet) == (3, 0, 3)


async def test_a_reversal_is_not_dated_into_a_closed_period_either(books: Books) -> None:
    written = await books.post(move(BANK, person(), 5))
    await books.close_period(NEW_YEAR)
    async with books.transaction() as session:
        with pytest.raises(ledger.PeriodClosed):
            await ledger.reverse(session, written.id, key=key(), effective_at=NEW_YEAR - INSTANT)
        await ledger.reverse(session, written.id, key=key())


async def test_the_future_cannot_be_closed(books: Books) -> None:
    with pytest.raises(DBAPIError, match="up to now at the latest"):
        await books.close_period(datetime(2999, 1, 1, tzinfo=UTC))
    assert (await books.everything())["closed_periods"] == []


async def test_closing_waits_for_the_postings_that_are_open(books: Books) -> None:
    written, closing = asyncio.Event(), asyncio.Event()

    async def post() -> datetime:
        async with books.transaction() as session:
            await ledger.post(session, replace(move(BANK, person(), 5), effective_at=NEW_YEAR - INSTANT))
            written.set()
            await closing.wait()
            return await session.scalar(text("SELECT clock_timestamp()"))  # type: ignore[no-any-return]

    async def close() -> None:
        await written.wait()
        await books.close_period(NEW_YEAR)

    async def until_it_waits() -> None:
        query = text("SELECT count(*) FROM pg_locks WHERE classid = 7414155 AND NOT granted")
        async with books.house.database.reading() as session:
            while not await session.scalar(query):
                pass
        closing.set()

    still_open_at, _, _ = await asyncio.gather(post(), close(), until_it_waits())
    (closed,) = (await books.everything())["closed_periods"]
    assert closed["closed_at"] > still_open_at


async def test_an_open_posting_is_seen_with_a_second_that_is_not_after_its_recorded_time(books: Books) -> None:
    query = "SELECT objid::bigint FROM pg_locks WHERE classid = 7414155 AND objid > 0 AND objsubid = 2"
    query += " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    outside = await asyncpg.connect(plain(books.house.settings.database_url))
    try:
        assert await outside.fetch(query) == []
        async with books.transaction() as session:
            written = await ledger.post(session, move(BANK, person(), 5))
            (second,) = [row[0] for row in await outside.fetch(query)]
        assert await outside.fetch(query) == []
    finally:
        await outside.close()
    assert datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=second) <= written.recorded_at
