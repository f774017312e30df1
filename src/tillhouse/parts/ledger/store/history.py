"""Reads of the past: by effective time, as known at a recorded time. Times become numbers first (`Point`)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Numeric, RowMapping, Select, func, literal, or_, select, text, union_all

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger.domain import AccountRef, ClosedPeriod, StatementLine, first_number_at, last_number_at
from tillhouse.parts.ledger.models import AccountRow, ClosedPeriodRow, EntryRow
from tillhouse.parts.ledger.store.reading import named, ref_of, sign
from tillhouse.parts.ledger.store.writing import HOUSE

_FOREVER = text("timestamptz 'infinity'")
_BEGIN, _END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

# Entries recorded as they took effect come by the primary key, the displaced ones by their own index.
_LINES = text("""
    WITH page AS (
        SELECT * FROM (
            (
                SELECT * FROM ledger.entries
                WHERE account_id = :account AND effective_at = recorded_at AND transaction_id <= :known
                    AND transaction_id >= :first AND transaction_id < :last
                    AND (effective_at, transaction_id) > (:after_at, :after_id)
                ORDER BY transaction_id LIMIT :limit
            ) UNION ALL (
                SELECT * FROM ledger.entries
                WHERE account_id = :account AND effective_at <> recorded_at AND transaction_id <= :known
                    AND effective_at >= :begin AND effective_at < :end
                    AND (effective_at, transaction_id) > (:after_at, :after_id)
                ORDER BY effective_at, transaction_id LIMIT :limit
            )
        ) AS both_kinds
        ORDER BY effective_at, transaction_id LIMIT :limit
    )
    SELECT page.*, t.kind, t.metadata, t.reverses,
           sum(page.amount) OVER (ORDER BY page.effective_at, page.transaction_id) AS total
    FROM page JOIN ledger.transactions AS t ON t.id = page.transaction_id
    ORDER BY page.effective_at, page.transaction_id
""")

_CURVE = text("""
    SELECT ledger.balance_at(:account, point.effective, :known, point.meeting)
    FROM unnest(cast(:effective AS timestamptz[]), cast(:meeting AS bigint[])) WITH ORDINALITY
        AS point (effective, meeting, place)
    ORDER BY point.place
""")


@dataclass(frozen=True, slots=True)
class Point:
    """A point in both times: `effective` and `recorded` are the last instants that count, None is no bound."""

    effective: datetime | None = None
    recorded: datetime | None = None

    @property
    def known(self) -> int:
        """The greatest number that was known."""
        return last_number_at(self.recorded)

    @property
    def meeting(self) -> int:
        """The greatest number recorded by the earlier of the two times: up to there the running balance counts."""
        return min(self.known, last_number_at(self.effective))

    @property
    def until(self) -> ColumnElement[datetime]:
        """`effective` as SQL compares it."""
        return literal(self.effective) if self.effective is not None else _FOREVER  # type: ignore[return-value]  # a timestamp


Amounts = list[tuple[AccountRef, Money]]  # in the natural sign


async def watermark(session: ReadSession) -> datetime:
    """Below it no posting can appear any more. What relies on it has to be read by a later statement."""
    found: datetime = (await session.execute(select(func.ledger.watermark()))).scalar_one()
    return found


async def balances_at(session: ReadSession, accounts: Collection[AccountRef], point: Point) -> Amounts:
    """What those of `accounts` that were ever opened held."""
    return await _look_up(session, named(accounts), point)


async def owner_balances_at(session: ReadSession, owner_kind: str, owner_id: UUID | None, point: Point) -> Amounts:
    """What every account of one owner held, in the order of code and unit."""
    query = select(AccountRow).where(AccountRow.owner_kind == owner_kind, AccountRow.owner_id == (owner_id or HOUSE))
    return await _look_up(session, query.order_by(AccountRow.code, AccountRow.unit), point)


async def _look_up(session: ReadSession, accounts: Select[AccountRow], point: Point) -> Amounts:
    amount = func.ledger.balance_at(
        AccountRow.id, point.until, point.known, point.meeting, type_=Numeric(asdecimal=True)
    )
    rows = await session.execute(accounts.add_columns(amount))
    return [_amount(row, int(found)) for row, found in rows]


async def curve(session: ReadSession, account: AccountRef, instants: Sequence[datetime]) -> list[Money]:
    """What an account held at each of `instants`, by one query; zeros when it was never opened."""
    found = (await session.execute(named([account]))).scalar_one_or_none()
    if found is None:
        return [Money(0, account.unit) for _ in instants]
    values = {
        "account": found.id, "known": last_number_at(None),
        "effective": list(instants), "meeting": [last_number_at(instant) for instant in instants],
    }  # fmt: skip
    return [Money(int(amount) * sign(found), account.unit) for amount in await session.scalars(_CURVE, values)]


async def all_balances_at(session: ReadSession, point: Point) -> Amounts:
    """What every account that was ever posted to held, by one query over the entries that came later.

    Its cost grows with those, not with the number of accounts or the length of their history.
    """
    later = or_(EntryRow.transaction_id > point.known, EntryRow.effective_at > point.until)
    to_take_away = union_all(
        select(EntryRow.account_id, EntryRow.amount).where(EntryRow.transaction_id > point.meeting, later),
        select(EntryRow.account_id, EntryRow.amount).where(
            EntryRow.transaction_id <= point.meeting,
            EntryRow.effective_at != EntryRow.recorded_at,
            EntryRow.effective_at > point.until,
        ),
    ).subquery()
    taken = (
        select(to_take_away.c.account_id, func.sum(to_take_away.c.amount).label("amount"))
        .group_by(to_take_away.c.account_id)
        .subquery()
    )
    query = (
        select(AccountRow, AccountRow.balance - func.coalesce(taken.c.amount, 0))
        .outerjoin(taken, taken.c.account_id == AccountRow.id)
        .where(AccountRow.sequence > 0)
        .order_by(AccountRow.owner_kind, AccountRow.code, AccountRow.unit, AccountRow.owner_id)
    )
    return [_amount(row, int(found)) for row, found in await session.execute(query)]


def _amount(row: AccountRow, found: int) -> tuple[AccountRef, Money]:
    return ref_of(row), Money(found * sign(row), row.unit)


async def lines_at(
    session: ReadSession,
    account: AccountRef,
    *,
    since: datetime | None,
    until: datetime | None,
    known: int,
    after: tuple[datetime, int] | None,
    limit: int,
) -> list[StatementLine]:
    """Entries that took effect from `since` to before `until`, in that order; `balance` begins at zero before them."""
    found = (await session.execute(named([account]))).scalar_one_or_none()
    if found is None:
        return []
    begin = max((instant for instant in (since, after and after[0]) if instant is not None), default=_BEGIN)
    rows = await session.execute(
        _LINES,
        {
            "account": found.id, "known": known, "limit": limit, "begin": begin, "end": until or _END,
            "first": first_number_at(begin), "last": first_number_at(until or _END),
            "after_at": after[0] if after else _BEGIN, "after_id": after[1] if after else -1,
        },
    )  # fmt: skip
    return [_line(row, sign(found)) for row in rows.mappings()]


def _line(row: RowMapping, natural: int) -> StatementLine:
    return StatementLine(
        transaction_id=row["transaction_id"],
        sequence=row["sequence"],
        kind=row["kind"],
        amount=Money(row["amount"] * natural, row["unit"]),
        balance=Money(int(row["total"]) * natural, row["unit"]),
        effective_at=row["effective_at"],
        recorded_at=row["recorded_at"],
        metadata=row["metadata"] or {},
        reverses=row["reverses"],
    )


async def close_period(session: Session, until: datetime, by: UUID | None, reason: str) -> None:
    """Close what lies before `until`. Waits for the postings that are open."""
    await session.execute(select(func.ledger.close_period(until, by, reason)))


async def closed_periods(session: ReadSession) -> list[ClosedPeriod]:
    """Every closing, the newest first."""
    rows = (await session.execute(select(ClosedPeriodRow).order_by(ClosedPeriodRow.id.desc()))).scalars()
    return [
        ClosedPeriod(until=row.closed_until, closed_at=row.closed_at, closed_by=row.closed_by, reason=row.reason)
        for row in rows
    ]
