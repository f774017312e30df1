"""Closing a period: who may, what for, never forwards into the future and never back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.parts.ledger.books import BANK, Books, key, move, person
from tillhouse.kernel import clock
from tillhouse.kernel.access import SYSTEM, Principal
from tillhouse.kernel.errors import Forbidden, InvalidInput
from tillhouse.kernel.ids import new_id
from tillhouse.parts.ledger import api as ledger

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
SOMEBODY = UUID(int=7)
ADMIN = Principal("person", id=SOMEBODY, permissions=frozenset({"ledger.close"}))


async def close(books: Books, until: datetime, *, by: Principal = ADMIN, reason: str = "Year 2025 reported") -> None:
    async with books.transaction() as session:
        await ledger.close_period(session, until, by=by, reason=reason)


async def closed(books: Books) -> list[ledger.ClosedPeriod]:
    async with books.house.database.reading() as session:
        return list(await ledger.closed_periods(session))


async def test_a_closing_says_who_when_and_why(books: Books) -> None:
    assert await closed(books) == []
    await close(books, NEW_YEAR)
    await close(books, NEW_YEAR + timedelta(days=31), by=SYSTEM, reason=" January ")
    newest, first = await closed(books)
    assert (first.until, first.closed_by, first.reason) == (NEW_YEAR, SOMEBODY, "Year 2025 reported")
    assert (newest.closed_by, newest.reason) == (None, "January")
    assert first.closed_at < newest.closed_at <= clock.now()
    async with books.house.database.reading() as session:
        assert await ledger.closed_until(session) == newest.until
        query = "SELECT action, subject, details FROM identity.audit ORDER BY at"
        said = [tuple(row) for row in await session.execute(text(query))]
    assert said == [
        ("ledger.close_period", f"period:{first.until.isoformat()}", {"reason": "Year 2025 reported"}),
        ("ledger.close_period", f"period:{newest.until.isoformat()}", {"reason": "January"}),
    ]
    with pytest.raises(ledger.PeriodClosed):
        await books.post(replace(move(BANK, person(), 5), effective_at=NEW_YEAR))


async def test_closing_up_to_the_same_time_again_adds_nothing(books: Books) -> None:
    await close(books, NEW_YEAR)
    await close(books, NEW_YEAR)
    assert len(await closed(books)) == 1


async def test_all_that_lies_behind_us_may_be_closed_up_to_this_moment(books: Books) -> None:
    with clock.held(NEW_YEAR):
        await close(books, NEW_YEAR)
        with pytest.raises(InvalidInput):
            await close(books, NEW_YEAR + timedelta(microseconds=1))
    assert [one.until for one in await closed(books)] == [NEW_YEAR]


async def test_without_the_permission_nothing_is_closed(books: Books) -> None:
    stranger = Principal("person", id=new_id(), permissions=frozenset({"payments.payout"}))
    with pytest.raises(Forbidden):
        await close(books, NEW_YEAR, by=stranger)
    assert await closed(books) == []


@pytest.mark.parametrize(
    ("until", "reason", "fault"),
    [
        (datetime(2999, 1, 1, tzinfo=UTC), "x", ("/until", "future")),
        (NEW_YEAR.replace(tzinfo=None), "x", ("/until", "naive")),
        (NEW_YEAR, "  ", ("/reason", "missing")),
    ],
    ids=["the future", "no zone", "no reason"],
)
async def test_what_is_to_come_or_has_no_reason_is_not_closed(
    books: Books, until: datetime, reason: str, fault: tuple[str, str]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await close(books, until, reason=reason)
    assert [(one.pointer, one.code) for one in refused.value.errors] == [fault]
    assert await closed(books) == []


async def test_a_closed_period_is_not_opened_again(books: Books) -> None:
    await close(books, NEW_YEAR)
    with pytest.raises(ledger.PeriodClosed, match="not taken back"):
        await close(books, NEW_YEAR - timedelta(days=1))
    assert [period.until for period in await closed(books)] == [NEW_YEAR]


async def test_a_reversal_of_what_lies_in_a_closed_period_takes_effect_today(books: Books) -> None:
    wallet = person()
    written = await books.post(replace(move(BANK, wallet, 5), effective_at=NEW_YEAR - timedelta(days=1)))
    await close(books, NEW_YEAR)
    async with books.transaction() as session:
        reversal = await ledger.reverse(session, written.id, key=key())
    assert reversal.effective_at == reversal.recorded_at > NEW_YEAR
    async with books.house.database.reading() as session:
        reported = await ledger.balance_at(session, wallet, effective=NEW_YEAR)
        now = await ledger.balance_at(session, wallet)
    assert (reported.posted.minor, now.posted.minor) == (5, 0)


async def test_what_was_reported_of_a_closed_period_stays(books: Books) -> None:
    wallet = person()
    await books.post(replace(move(BANK, wallet, 5), effective_at=NEW_YEAR - timedelta(days=1)))
    await close(books, NEW_YEAR)
    before = NEW_YEAR - timedelta(microseconds=1)
    async with books.house.database.reading() as session:
        reported = await ledger.all_balances_at(session, effective=before)
    await books.fund(wallet, 9)
    with pytest.raises(ledger.PeriodClosed):
        await books.post(replace(move(BANK, wallet, 1), effective_at=before))
    async with books.house.database.reading() as session:
        assert await ledger.all_balances_at(session, effective=before) == reported
