"""SQL of metered work, spend caps and quotas."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.billing.domain import Owner
from tillhouse.parts.billing.models import ChargeRow, QuotaUseRow, SpendCapRow

HOUSE = "house"


async def charge_by_key(session: ReadSession, key: str) -> ChargeRow | None:
    """The charge with that key."""
    return (await session.execute(select(ChargeRow).where(ChargeRow.key == key))).scalar_one_or_none()


async def lock_charge(session: Session, charge_id: UUID) -> ChargeRow | None:
    """A charge as it is now, locked until the transaction ends."""
    statement = select(ChargeRow).where(ChargeRow.id == charge_id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def lock_open(session: Session, key: str) -> ChargeRow | None:
    """The charge with that key, locked, unless it has ended."""
    statement = select(ChargeRow).where(ChargeRow.key == key, ChargeRow.state == "open").with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def lock_abandoned(session: Session, now: datetime, limit: int) -> Sequence[ChargeRow]:
    """Open charges whose time is over, locked; those that somebody works on are left to them."""
    statement = (
        select(ChargeRow)
        .where(ChargeRow.state == "open", ChargeRow.expires_at <= now)
        .order_by(ChargeRow.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.execute(statement)).scalars().all()


async def charges_of(
    session: ReadSession, owner: Owner, *, before: UUID | None = None, limit: int
) -> Sequence[ChargeRow]:
    """An owner's charges, newest first."""
    statement = select(ChargeRow).where(ChargeRow.owner_kind == owner.kind, ChargeRow.owner_id == owner.id)
    if before:
        statement = statement.where(ChargeRow.id < before)
    return (await session.execute(statement.order_by(ChargeRow.id.desc()).limit(limit))).scalars().all()


async def lock_caps(session: Session, owner: Owner, unit: str) -> Sequence[SpendCapRow]:
    """The caps that bind an owner's next charge, locked in one order: two charges do not pass one cap together."""
    statement = (
        select(SpendCapRow)
        .where(
            SpendCapRow.unit == unit,
            or_(
                SpendCapRow.owner_kind == HOUSE,
                and_(SpendCapRow.owner_kind == owner.kind, SpendCapRow.owner_id == owner.id),
            ),
        )
        .order_by(SpendCapRow.id)
        .with_for_update()
    )
    return (await session.execute(statement)).scalars().all()


async def spent_since(session: ReadSession, owner: Owner | None, unit: str, since: datetime) -> int:
    """What charges begun since then cost, or may cost while they are open: of one owner, or (None) of everyone."""
    cost = case((ChargeRow.state == "open", ChargeRow.reserved), else_=ChargeRow.captured - ChargeRow.given_back)
    statement = select(func.coalesce(func.sum(cost), 0)).where(ChargeRow.unit == unit, ChargeRow.reserved_at >= since)
    if owner:
        statement = statement.where(ChargeRow.owner_kind == owner.kind, ChargeRow.owner_id == owner.id)
    return int((await session.execute(statement)).scalar_one())


async def set_cap(session: Session, row: SpendCapRow) -> None:
    """Set a cap, or change it."""
    values = {column.key: getattr(row, column.key) for column in SpendCapRow.__mapper__.column_attrs}
    statement = insert(SpendCapRow).values(values)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["owner_kind", "owner_id", "unit", "window_kind"],
            set_={"most": statement.excluded.most, "set_at": statement.excluded.set_at},
        )
    )


async def remove_cap(session: Session, owner: Owner | None, unit: str, window: str) -> None:
    """Remove the cap of an owner, or (None) of the house, for one window, if there is one."""
    await session.execute(
        delete(SpendCapRow).where(_capped(owner), SpendCapRow.unit == unit, SpendCapRow.window == window)
    )


async def caps_of(session: ReadSession, owner: Owner | None) -> Sequence[SpendCapRow]:
    """The caps of an owner, or (None) of the house."""
    statement = select(SpendCapRow).where(_capped(owner)).order_by(SpendCapRow.id)
    return (await session.execute(statement)).scalars().all()


def _capped(owner: Owner | None) -> ColumnElement[bool]:
    if owner is None:
        return SpendCapRow.owner_kind == HOUSE
    return and_(SpendCapRow.owner_kind == owner.kind, SpendCapRow.owner_id == owner.id)


async def use(
    session: Session, owner: Owner, metric: str, window_start: datetime, *, amount: int, limit: int
) -> int | None:
    """Count `amount` more in a window, unless that passes `limit`. Returns what is used then; None: it would pass."""
    values = {
        "owner_kind": owner.kind,
        "owner_id": owner.id,
        "metric": metric,
        "window_start": window_start,
        "used": amount,
    }
    if amount > limit:
        return None
    statement = (
        insert(QuotaUseRow)
        .values(values)
        .on_conflict_do_update(
            index_elements=["owner_kind", "owner_id", "metric", "window_start"],
            set_={"used": QuotaUseRow.used + amount},
            where=QuotaUseRow.used + amount <= limit,
        )
        .returning(QuotaUseRow.used)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def unuse(session: Session, owner: Owner, metric: str, window_start: datetime, amount: int) -> None:
    """Count `amount` less in a window, not below nothing."""
    await session.execute(
        update(QuotaUseRow)
        .where(
            QuotaUseRow.owner_kind == owner.kind,
            QuotaUseRow.owner_id == owner.id,
            QuotaUseRow.metric == metric,
            QuotaUseRow.window_start == window_start,
        )
        .values(used=func.greatest(QuotaUseRow.used - amount, 0))
    )


async def used(session: ReadSession, owner: Owner, metric: str, window_start: datetime) -> int:
    """What is used in a window."""
    statement = select(QuotaUseRow.used).where(
        QuotaUseRow.owner_kind == owner.kind,
        QuotaUseRow.owner_id == owner.id,
        QuotaUseRow.metric == metric,
        QuotaUseRow.window_start == window_start,
    )
    return (await session.execute(statement)).scalar_one_or_none() or 0
