"""What was held at an effective time, as known at a recorded time: against a plain sum over all that was written."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from tests.parts.ledger.books import BANK, BANK_USD, FEES, Books, move, owner_url, person, plain, rupees
from tillhouse.apps import migrate
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.service import history, sealing

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)
SPRING = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Point:
    effective: datetime | None
    recorded: datetime | None

    def counts(self, written: ledger.Transaction) -> bool:
        in_effect = self.effective is None or written.effective_at <= self.effective
        return in_effect and (self.recorded is None or written.recorded_at <= self.recorded)


def expected(written: Sequence[ledger.Transaction], account: ledger.AccountRef, point: Point) -> int:
    """Debits positive, as the legs are."""
    return sum(amount.minor for one in written if point.counts(one) for leg, amount in one.legs if leg == account)


def all_points(written: Sequence[ledger.Transaction]) -> list[Point]:
    """Every pair of times at, just before and just after those that were written."""
    effective = {one.effective_at + shift for one in written for shift in (-INSTANT, timedelta(0))}
    recorded = {one.recorded_at + shift for one in written for shift in (-INSTANT, timedelta(0))}
    return [Point(e, k) for e in [*sorted(effective), None] for k in [*sorted(recorded), None]]


async def post_at(
    books: Books, wallet: ledger.AccountRef, paise: int, effective: datetime | None
) -> ledger.Transaction:
    return await books.post(replace(move(BANK, wallet, paise), effective_at=effective))


async def sealed(books: Books) -> int:
    """Seal everything there is; how many blocks that made."""
    blocks = 0
    while True:
        async with books.transaction() as session:
            if await sealing.seal(session, margin=timedelta(0)) is None:
                return blocks
        blocks += 1


async def test_every_point_of_both_times_is_what_a_sum_over_the_writings_says(books: Books) -> None:
    wallet, chance = person(), random.Random(1)
    late = datetime.now(UTC) + 40 * DAY
    times = [None, SPRING, SPRING, SPRING + DAY, SPRING - 90 * DAY, None, late, SPRING + 2 * DAY, None, SPRING]
    written = [await post_at(books, wallet, chance.randint(1, 99), time) for time in times]
    async with books.house.database.reading() as session:
        for point in all_points(written):
            found = await ledger.balance_at(session, wallet, effective=point.effective, recorded=point.recorded)
            assert found.posted == rupees(-expected(written, wallet, point)), point
            whole = await ledger.all_balances_at(session, effective=point.effective, recorded=point.recorded)
            assert {one.account: one.posted.minor for one in whole} == {
                BANK: expected(written, BANK, point),
                wallet: -expected(written, wallet, point),
            }


async def test_nine_thousand_backdated_entries_read_the_same_through_their_runs(books: Books) -> None:
    wallet, chance = person(), random.Random(2)
    postings = [
        replace(move(BANK, wallet, chance.randint(1, 9)), effective_at=SPRING + chance.randint(0, 60) * DAY)
        for _ in range(9_000)
    ]
    async with books.transaction() as session:
        written = [one for one in await ledger.post_many(session, postings) if isinstance(one, ledger.Transaction)]
    assert len(written) == 9_000
    points = [
        Point(chance.choice(written).effective_at - chance.randint(0, 1) * INSTANT, chance.choice(written).recorded_at)
        for _ in range(100)
    ]

    async def compare() -> None:
        async with books.house.database.reading() as session:
            for point in points:
                found = await ledger.balance_at(session, wallet, effective=point.effective, recorded=point.recorded)
                assert found.posted == rupees(-expected(written, wallet, point))

    await compare()
    assert await sealed(books) == 1
    async with books.house.database.reading() as session:
        levels = await session.execute(text("SELECT level, count(*) FROM ledger.displaced_runs GROUP BY 1 ORDER BY 1"))
        assert [tuple(row) for row in levels] == [(0, 2 * (9_000 // 512)), (1, 2)]
    await compare()
    await books.fund(wallet, 5)  # what comes after the runs is counted as before
    await post_at(books, wallet, 7, SPRING)
    async with books.house.database.reading() as session:
        now = await ledger.balance_at(session, wallet)
        assert now.posted.minor == -expected(written, wallet, Point(None, None)) + 12
        early = await ledger.balance_at(session, wallet, effective=SPRING)
        assert early.posted.minor == -expected(written, wallet, Point(SPRING, None)) + 7


async def test_without_bounds_it_is_the_balance(books: Books) -> None:
    wallet = person()
    await books.fund(wallet, 5)
    await post_at(books, wallet, 7, datetime.now(UTC) + DAY)
    async with books.house.database.reading() as session:
        found = await ledger.balance_at(session, wallet)
        assert found.posted == (await ledger.balance(session, wallet)).posted == rupees(12)
        assert (await ledger.balance_at(session, person())).posted == rupees(0)


async def test_the_accounts_of_an_owner_come_in_the_order_of_code_and_unit(books: Books) -> None:
    await books.fund(person(), 5)
    async with books.house.database.reading() as session:
        found = await ledger.balances_of_owner_at(session, "house", None, effective=SPRING)
        assert [(one.account, one.posted) for one in found] == [(BANK, rupees(0))]
        several = await ledger.balances_at(session, [BANK, FEES, BANK_USD])
    assert [one.posted.minor for one in several.values()] == [5, 0, 0]


async def test_a_time_without_a_zone_and_an_account_outside_the_chart_are_refused(books: Books) -> None:
    async with books.house.database.reading() as session:
        with pytest.raises(InvalidInput, match="zone") as refused:
            await ledger.balance_at(session, BANK, effective=SPRING.replace(tzinfo=None))
        assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [("/effective", "naive")]
        with pytest.raises(ledger.UnknownAccount):
            await ledger.balance_at(session, ledger.house_account("vault", "INR"))
        with pytest.raises(InvalidInput, match="zone"):
            await ledger.statement_at(session, BANK, limit=5, since=SPRING.replace(tzinfo=None))
        with pytest.raises(InvalidInput, match="zone"):
            await ledger.statement_at(session, BANK, limit=5, until=SPRING.replace(tzinfo=None))
        with pytest.raises(InvalidInput, match="zone"):
            await history.curve(session, BANK, [SPRING, SPRING.replace(tzinfo=None)])


async def test_a_statement_follows_effective_time_and_its_pages_join(books: Books) -> None:
    wallet = person()
    times = [SPRING + DAY, SPRING, None, SPRING, SPRING - DAY, None, SPRING + DAY]
    written = [await post_at(books, wallet, n + 1, time) for n, time in enumerate(times)]
    ordered = sorted((one for one in written if one.effective_at >= SPRING), key=lambda one: (one.effective_at, one.id))
    async with books.house.database.reading() as session:
        whole = await ledger.statement_at(session, wallet, limit=50, since=SPRING)
        assert whole.opening == rupees(5)  # what took effect the day before
        assert [line.transaction_id for line in whole.lines] == [one.id for one in ordered]
        running = whole.opening
        for line in whole.lines:
            running += line.amount
            assert line.balance == running
        joined: list[ledger.StatementLine] = []
        while page := (
            await ledger.statement_at(session, wallet, limit=2, since=SPRING, after=joined[-1] if joined else None)
        ).lines:
            joined += page
        assert tuple(joined) == whole.lines
        days = await ledger.statement_at(session, wallet, limit=50, since=SPRING, until=SPRING + DAY)
        assert [line.balance.minor for line in days.lines] == [7, 11]


async def test_a_statement_opens_with_all_that_took_effect_before_it_to_the_microsecond(books: Books) -> None:
    wallet = person()
    await post_at(books, wallet, 3, SPRING - timedelta(microseconds=1))
    await post_at(books, wallet, 4, SPRING)
    async with books.house.database.reading() as session:
        found = await ledger.statement_at(session, wallet, limit=9, since=SPRING)
    assert (found.opening, [line.balance.minor for line in found.lines]) == (rupees(3), [7])


async def test_a_statement_as_known_then_leaves_out_what_was_told_later(books: Books) -> None:
    wallet = person()
    first = await post_at(books, wallet, 3, SPRING)
    await post_at(books, wallet, 4, SPRING - DAY)
    async with books.house.database.reading() as session:
        known = await ledger.statement_at(session, wallet, limit=9, recorded=first.recorded_at)
    assert [(line.transaction_id, line.balance.minor) for line in known.lines] == [(first.id, 3)]
    assert known.opening == rupees(0)
    assert known.stable


async def test_a_read_is_final_once_its_recorded_time_lies_below_the_watermark(books: Books) -> None:
    wallet = person()
    written = await books.fund(wallet, 5)
    async with books.house.database.reading() as session:
        assert (await ledger.balance_at(session, wallet, recorded=written.recorded_at)).stable
        assert not (await ledger.balance_at(session, wallet, recorded=datetime.now(UTC) + DAY)).stable
        assert not (await ledger.balance_at(session, wallet)).stable


async def test_an_open_posting_holds_the_watermark_back_until_it_ends(books: Books) -> None:
    outside = await asyncpg.connect(plain(books.house.settings.database_url))
    try:
        async with books.transaction() as session:
            stalled = await ledger.post(session, move(BANK, person(), 5))
            other = await asyncio.create_task(_posted_elsewhere(outside))
            mark = await outside.fetchval("SELECT ledger.watermark()")
            assert mark <= stalled.recorded_at < other
            at, before = [
                await ledger.balance_at(session, BANK, recorded=mark - timedelta(microseconds=n)) for n in (0, 1)
            ]
            assert (at.stable, before.stable) == (False, True)
        assert await outside.fetchval("SELECT ledger.watermark()") > stalled.recorded_at
    finally:
        await outside.close()


async def _posted_elsewhere(outside: asyncpg.Connection) -> datetime:
    """The recorded time of a posting to other accounts that does not wait for the stalled one."""
    await outside.execute("""
        SELECT ledger.post(ARRAY['house','house'], array_fill(gen_random_uuid(), ARRAY[2]), ARRAY['a','b'],
            ARRAY['INR','INR'], ARRAY['asset','asset'], ARRAY[NULL,NULL]::bigint[], NULL, ARRAY['other'],
            ARRAY[''::bytea], ARRAY['k'], NULL, NULL, NULL, NULL,
            ARRAY[1,1], ARRAY[1,2], ARRAY[100,-100]::bigint[], false, false)
    """)
    found: datetime = await outside.fetchval("SELECT max(recorded_at) FROM ledger.transactions")
    return found


async def test_a_killed_backend_lets_the_watermark_go_and_leaves_nothing(
    books: Books, server: EmbeddedPostgres, settings: KernelSettings
) -> None:
    stalled = await asyncpg.connect(plain(settings.database_url))
    watcher = await asyncpg.connect(owner_url(server, settings))
    killer = await asyncpg.connect(server.superuser_dsn)
    try:
        await stalled.execute("BEGIN")
        recorded = await _posted_elsewhere(stalled)
        assert await watcher.fetchval("SELECT ledger.watermark()") <= recorded
        await killer.execute(f"SELECT pg_terminate_backend({stalled.get_server_pid()}, 10000)")
        assert await watcher.fetchval("SELECT ledger.watermark()") > recorded
        assert await watcher.fetchval("SELECT count(*) FROM ledger.transactions") == 0
    finally:
        for connection in (stalled, watcher, killer):
            connection.terminate()


async def test_a_prepared_transaction_holds_the_watermark_back_until_it_is_committed(tmp_path: Path) -> None:
    """On a server of its own: as it is made, PostgreSQL prepares nothing."""
    with EmbeddedPostgres(tmp_path, durable=False) as fresh:
        await _execute(fresh.superuser_dsn, "ALTER SYSTEM SET max_prepared_transactions = 2")
    with EmbeddedPostgres(tmp_path, durable=False) as server:
        migrate.upgrade(server.owner_url)
        first, second = [await asyncpg.connect(plain(server.app_url)) for _ in range(2)]
        try:
            await first.execute("BEGIN")
            recorded = await _posted_elsewhere(first)
            await first.execute("PREPARE TRANSACTION 'in flight'")
            await first.close()
            assert await second.fetchval("SELECT ledger.watermark()") <= recorded
            await second.execute("COMMIT PREPARED 'in flight'")
            assert await second.fetchval("SELECT ledger.watermark()") > recorded
        finally:
            await second.close()


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
