"""Lots: the functions of migration 0011 that write them, and reads in natural amounts."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Row, Select, func, literal, select, text, tuple_

from tillhouse.kernel.db import ReadSession, Session, call
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger.domain import AccountKind, AccountRef, recorded_at_of
from tillhouse.parts.ledger.domain.lots import Lot, LotMovement, LotMovementKind, LotSource, LotValue, Part
from tillhouse.parts.ledger.models import AccountRow, HoldRow, KeyRow, LotMovementRow, LotPinRow, LotRow
from tillhouse.parts.ledger.store.reading import is_account, ref_of
from tillhouse.parts.ledger.store.writing import account_columns

_LOCK = "SELECT ledger.lock_accounts($1, $2, $3, $4, $5, $6)"
_OPEN = text("SELECT ledger.open_lot(:number, :account, :granted, :source, :price, :price_unit, :priority, :expires)")
_MOVE = text("SELECT ledger.move_lots(:number, :account, :kind, :lots, :amounts, :extensions, :spend)")
_FOREVER = text("timestamptz 'infinity'")
_PIN = text("SELECT ledger.pin_lots(:hold, :lots, :amounts)")


async def lock(session: Session, accounts: Sequence[tuple[AccountRef, AccountKind]]) -> dict[AccountRef, int]:
    """Lock accounts in the order of their ids, opened where they never were; returns their ids."""
    wanted = dict(accounts)
    ((ids,),) = await call(session, _LOCK, *account_columns(list(wanted), list(wanted.values())))
    return dict(zip(wanted, ids, strict=True))


async def open_lot(
    session: Session,
    number: int,
    account_id: int,
    amount: int,
    *,
    source: LotSource,
    price: Money | None,
    priority: int,
    expires_at: datetime | None,
) -> None:
    """Make the lot that transaction `number` grants."""
    await session.execute(
        _OPEN,
        {
            "number": number, "account": account_id, "granted": amount, "source": source,
            "price": price.minor if price else None, "price_unit": price.unit if price else None,
            "priority": priority, "expires": expires_at,
        },
    )  # fmt: skip


async def move(
    session: Session,
    number: int,
    account_id: int,
    kind: LotMovementKind,
    parts: Sequence[Part],
    *,
    spend_id: int | None = None,
    extensions: Sequence[datetime | None] | None = None,
) -> None:
    """Take `parts` from their lots, or for a refund give them back, as transaction `number` says."""
    sign = 1 if kind == "refund" else -1
    ends: Sequence[datetime | None] = [None] * len(parts) if extensions is None else extensions
    await session.execute(
        _MOVE,
        {
            "number": number, "account": account_id, "kind": kind,
            "lots": [part.lot_id for part in parts], "amounts": [sign * part.amount for part in parts],
            "extensions": ends, "spend": spend_id,
        },
    )  # fmt: skip


async def pin(session: Session, hold_id: int, parts: Sequence[Part]) -> None:
    """Have an open hold reserve `parts`."""
    await session.execute(
        _PIN, {"hold": hold_id, "lots": [p.lot_id for p in parts], "amounts": [p.amount for p in parts]}
    )


def _reserved() -> ColumnElement[int]:
    """What open holds have pinned of a lot."""
    return (
        select(func.coalesce(func.sum(LotPinRow.amount), 0))
        .join(HoldRow, HoldRow.id == LotPinRow.hold_id)
        .where(LotPinRow.lot_id == LotRow.id, HoldRow.state == "open")
        .scalar_subquery()
    )


def _lots() -> Select[LotRow, AccountRow, int]:
    query = select(LotRow, AccountRow, _reserved()).join(AccountRow, AccountRow.id == LotRow.account_id)
    return query.execution_options(populate_existing=True)


def _lot(row: Row[LotRow, AccountRow, int]) -> Lot:
    lot, account, reserved = row
    source: LotSource = lot.source  # type: ignore[assignment]  # the column's check lists the same words
    return Lot(
        id=lot.id,
        account=ref_of(account),
        source=source,
        granted=Money(lot.granted, account.unit),
        remaining=Money(lot.remaining, account.unit),
        reserved=Money(int(reserved), account.unit),
        price=None if lot.price is None or lot.price_unit is None else Money(lot.price, lot.price_unit),
        priority=lot.priority,
        expires_at=lot.expires_at,
        granted_at=recorded_at_of(lot.id),
    )


async def lot(session: ReadSession, lot_id: int) -> Lot | None:
    """One lot, spent or not."""
    row = (await session.execute(_lots().where(LotRow.id == lot_id))).one_or_none()
    return None if row is None else _lot(row)


async def open_lots(session: ReadSession, account: AccountRef) -> list[Lot]:
    """The lots of an account that have something left, oldest first."""
    query = _lots().where(is_account(account), LotRow.remaining > 0).order_by(LotRow.id)
    return [_lot(row) for row in await session.execute(query)]


async def lots_of(session: ReadSession, account: AccountRef, *, limit: int, before: int | None) -> list[Lot]:
    """The lots of an account, spent ones too, newest first."""
    query = _lots().where(is_account(account)).order_by(LotRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(LotRow.id < before)
    return [_lot(row) for row in await session.execute(query)]


async def lots_by_expiry(
    session: ReadSession, account: AccountRef | None, *, limit: int, after: tuple[datetime | None, int] | None
) -> list[Lot]:
    """Lots of an account, or (None) of all, that have something left, those that end soonest first, those that never
    end last.
    """
    ends = func.coalesce(LotRow.expires_at, _FOREVER)
    query = _lots().where(LotRow.remaining > 0).order_by(ends, LotRow.id).limit(limit)
    if account is not None:
        query = query.where(is_account(account))
    if after is not None:
        instant, number = after
        query = query.where(tuple_(ends, LotRow.id) > tuple_(_FOREVER if instant is None else literal(instant), number))
    return [_lot(row) for row in await session.execute(query)]


async def count_ending_lots(session: ReadSession, by: datetime) -> int:
    """How many lots that have something left end by then."""
    query = select(func.count()).select_from(LotRow).where(LotRow.remaining > 0, LotRow.expires_at <= by)
    return (await session.execute(query)).scalar_one()


async def pins(session: ReadSession, hold_id: int) -> list[Part]:
    """What a hold has reserved, in the order in which it is spent."""
    query = (
        select(LotPinRow.lot_id, LotPinRow.amount)
        .join(LotRow, LotRow.id == LotPinRow.lot_id)
        .where(LotPinRow.hold_id == hold_id)
        .order_by(LotRow.priority, LotRow.expires_at.asc().nulls_last(), LotRow.id)
    )
    return [Part(*row) for row in await session.execute(query)]


async def moved(session: ReadSession, number: int) -> tuple[LotMovementKind, list[Part]] | None:
    """What a transaction did to lots, in that order: its kind, and the parts."""
    query = select(LotMovementRow).where(LotMovementRow.transaction_id == number).order_by(LotMovementRow.place)
    rows = (await session.scalars(query)).all()
    if not rows:
        return None
    kind: LotMovementKind = rows[0].kind  # type: ignore[assignment]  # the column's check lists the same words
    return kind, [Part(row.lot_id, abs(row.amount)) for row in rows]


async def given_back(session: ReadSession, spend_id: int) -> dict[int, int]:
    """What refunds of a spend have given back to each lot."""
    query = (
        select(LotMovementRow.lot_id, func.sum(LotMovementRow.amount))
        .where(LotMovementRow.spend_id == spend_id)
        .group_by(LotMovementRow.lot_id)
    )
    return {lot_id: int(total) for lot_id, total in await session.execute(query)}


async def key_is_used(session: ReadSession, key: str) -> bool:
    """Whether anything was written under an idempotency key."""
    return await session.get(KeyRow, key) is not None


async def accounts_with_ended_lots(session: ReadSession, now: datetime, limit: int) -> list[AccountRef]:
    """Accounts with a lot that has ended and holds something that no hold has pinned."""
    due = select(LotRow.account_id).where(
        LotRow.remaining > 0, LotRow.expires_at <= now, LotRow.remaining > _reserved()
    )
    query = select(AccountRow).where(AccountRow.id.in_(due)).order_by(AccountRow.id).limit(limit)
    return [ref_of(row) for row in await session.scalars(query)]


async def movements(session: ReadSession, *, lot_id: int | None, transaction_id: int | None) -> list[LotMovement]:
    """Every movement of a lot, oldest first, or by a transaction, in the order taken."""
    query = (
        select(LotMovementRow, LotRow, AccountRow.unit)
        .join(LotRow, LotRow.id == LotMovementRow.lot_id)
        .join(AccountRow, AccountRow.id == LotRow.account_id)
        .order_by(LotMovementRow.transaction_id, LotMovementRow.place)
    )
    if lot_id is not None:
        query = query.where(LotMovementRow.lot_id == lot_id)
    if transaction_id is not None:
        query = query.where(LotMovementRow.transaction_id == transaction_id)
    return [_movement(*row) for row in await session.execute(query)]


def _movement(row: LotMovementRow, lot: LotRow, unit: str) -> LotMovement:
    kind: LotMovementKind = row.kind  # type: ignore[assignment]  # the column's check lists the same words
    value = None
    if lot.price is not None and lot.price_unit is not None:
        before, after = (-(-lot.price * left // lot.granted) for left in (row.remaining - row.amount, row.remaining))
        value = Money(before - after, lot.price_unit)
    return LotMovement(
        transaction_id=row.transaction_id,
        lot_id=row.lot_id,
        kind=kind,
        amount=Money(row.amount, unit),
        remaining=Money(row.remaining, unit),
        value=value,
        spend_id=row.spend_id,
        extends_to=row.extends_to,
        recorded_at=recorded_at_of(row.transaction_id),
    )


# div() is exact where "/" on numeric rounds: div(x + y - 1, y) is x / y rounded up, as `Lot.value` does it.
_VALUE = text("""
    SELECT l.source, a.unit, l.price_unit, sum(l.remaining),
           sum(div(l.price::numeric * l.remaining + l.granted - 1, l.granted))
    FROM ledger.lots AS l JOIN ledger.accounts AS a ON a.id = l.account_id
    WHERE l.remaining > 0 AND l.price IS NOT NULL AND (cast(:unit AS text) IS NULL OR a.unit = :unit)
    GROUP BY 1, 2, 3 ORDER BY 2, 1, 3
""")
_REVENUE = text("""
    SELECT m.kind, l.price_unit, sum(
        div(l.price::numeric * (m.remaining - m.amount) + l.granted - 1, l.granted)
        - div(l.price::numeric * m.remaining + l.granted - 1, l.granted))
    FROM ledger.lot_movements AS m JOIN ledger.lots AS l ON l.id = m.lot_id
    WHERE l.price IS NOT NULL AND m.transaction_id >= ledger.number_at(:since)
        AND m.transaction_id < ledger.number_at(:until)
    GROUP BY 1, 2 ORDER BY 1, 2
""")


async def value(session: ReadSession, unit: str | None) -> list[LotValue]:
    """What is owed for unspent lots that were paid for, by source, unit and currency."""
    rows = await session.execute(_VALUE, {"unit": unit})
    return [
        LotValue(source=source, remaining=Money(int(left), points), value=Money(int(owed), currency))
        for source, points, currency, left, owed in rows
    ]


async def revenue(session: ReadSession, since: datetime, until: datetime) -> list[tuple[LotMovementKind, Money]]:
    """The value that movements recorded in [since, until) recognised, by kind and currency."""
    rows = await session.execute(_REVENUE, {"since": since, "until": until})
    return [(kind, Money(int(total), currency)) for kind, currency, total in rows]
