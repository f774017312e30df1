"""SQL of refunds and disputes. The order's lock is taken before any of these rows is changed."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.payments.domain import RefundState
from tillhouse.parts.payments.domain.refunds import DISPUTES_RUN, REFUNDS_HOLD
from tillhouse.parts.payments.models import DisputeRow, OrderRow, PaymentRow, PayoutRow, RefundRow

_FRESH = {"populate_existing": True}
_COUNTS = REFUNDS_HOLD | {RefundState.PROCESSED}
_AT_ONCE = 500


async def insert_refund(session: Session, row: RefundRow) -> RefundRow:
    """Insert a refund, or return the payment's earlier one with the same request key."""
    values = {column.key: getattr(row, column.key) for column in RefundRow.__table__.columns}
    await session.execute(insert(RefundRow).values(values).on_conflict_do_nothing())
    found = await refund_by_key(session, row.payment_id, row.request_key)
    assert found is not None
    return found


async def refund_by_key(session: ReadSession, payment_id: UUID, request_key: str) -> RefundRow | None:
    """The payment's refund with that request key."""
    statement = select(RefundRow).where(RefundRow.payment_id == payment_id, RefundRow.request_key == request_key)
    return (await session.execute(statement.execution_options(**_FRESH))).scalar_one_or_none()


async def refund_by_id(session: ReadSession, refund_id: UUID) -> RefundRow | None:
    """The refund as it is now. Needs its order's lock to stay true."""
    statement = select(RefundRow).where(RefundRow.id == refund_id)
    return (await session.execute(statement.execution_options(**_FRESH))).scalar_one_or_none()


async def refund_by_provider_id(session: ReadSession, provider: str, provider_refund_id: str) -> RefundRow | None:
    """The refund with this id at the gateway."""
    statement = select(RefundRow).where(
        RefundRow.provider == provider, RefundRow.provider_refund_id == provider_refund_id
    )
    return (await session.execute(statement.execution_options(**_FRESH))).scalar_one_or_none()


async def refunds_of_payment(session: ReadSession, payment_id: UUID) -> Sequence[RefundRow]:
    """Every refund of a payment, oldest first, as they are now."""
    statement = select(RefundRow).where(RefundRow.payment_id == payment_id).order_by(RefundRow.id)
    return (await session.execute(statement.execution_options(**_FRESH))).scalars().all()


async def refunds(
    session: ReadSession, *, order_id: UUID | None, payment_id: UUID | None, limit: int, before: UUID | None
) -> Sequence[RefundRow]:
    """Refunds, newest first: all, or those of an order or a payment."""
    statement = select(RefundRow)
    if order_id:
        statement = statement.join(PaymentRow, PaymentRow.id == RefundRow.payment_id).where(
            PaymentRow.order_id == order_id
        )
    if payment_id:
        statement = statement.where(RefundRow.payment_id == payment_id)
    if before:
        statement = statement.where(RefundRow.id < before)
    return (await session.execute(statement.order_by(RefundRow.id.desc()).limit(limit))).scalars().all()


async def lock_payment(session: Session, payment_id: UUID) -> tuple[OrderRow, PaymentRow] | None:
    """A payment and its order as they are now, the order locked until the transaction ends."""
    statement = (
        select(OrderRow)
        .where(OrderRow.id == select(PaymentRow.order_id).where(PaymentRow.id == payment_id).scalar_subquery())
        .with_for_update()
    )
    order = (await session.execute(statement.execution_options(**_FRESH))).scalar_one_or_none()
    if order is None:
        return None
    fresh = select(PaymentRow).where(PaymentRow.id == payment_id).execution_options(**_FRESH)
    return order, (await session.execute(fresh)).scalar_one()


async def lock_payment_by_provider_id(
    session: Session, provider: str, provider_payment_id: str
) -> tuple[OrderRow, PaymentRow] | None:
    """`lock_payment` for the payment with this id at the gateway."""
    statement = select(PaymentRow.id).where(
        PaymentRow.provider == provider, PaymentRow.provider_payment_id == provider_payment_id
    )
    found = (await session.execute(statement)).scalar_one_or_none()
    return await lock_payment(session, found) if found else None


async def refunded_total(session: ReadSession, payment_id: UUID, *, done: bool = False) -> int:
    """Minor units of a payment in refunds under way and done; with `done` in those alone."""
    states = (RefundState.PROCESSED,) if done else _COUNTS
    statement = select(func.coalesce(func.sum(RefundRow.amount), 0)).where(
        RefundRow.payment_id == payment_id, RefundRow.state.in_(states)
    )
    return int((await session.execute(statement)).scalar_one())


async def disputes_of_payment(session: ReadSession, payment_id: UUID) -> Sequence[DisputeRow]:
    """Every dispute of a payment, oldest first, as they are now."""
    statement = select(DisputeRow).where(DisputeRow.payment_id == payment_id).order_by(DisputeRow.id)
    return (await session.execute(statement.execution_options(**_FRESH))).scalars().all()


async def dispute_by_provider_id(session: ReadSession, provider: str, provider_dispute_id: str) -> DisputeRow | None:
    """The dispute with this id at the gateway."""
    statement = select(DisputeRow).where(
        DisputeRow.provider == provider, DisputeRow.provider_dispute_id == provider_dispute_id
    )
    return (await session.execute(statement.execution_options(**_FRESH))).scalar_one_or_none()


async def dispute_by_id(session: ReadSession, dispute_id: UUID) -> DisputeRow | None:
    """The dispute, None when there is none."""
    return await session.get(DisputeRow, dispute_id)


async def disputes(session: ReadSession, *, limit: int, before: UUID | None) -> Sequence[DisputeRow]:
    """Disputes, newest first."""
    statement = select(DisputeRow)
    if before:
        statement = statement.where(DisputeRow.id < before)
    return (await session.execute(statement.order_by(DisputeRow.id.desc()).limit(limit))).scalars().all()


async def held_refunds(session: ReadSession) -> Sequence[RefundRow]:
    """Refunds whose money is set aside."""
    return (await session.execute(select(RefundRow).where(RefundRow.state.in_(REFUNDS_HOLD)))).scalars().all()


async def debtors(session: ReadSession) -> list[tuple[str, UUID, str]]:
    """Owners whom something was ever advanced to, with the currency: whether they still owe it the ledger knows."""
    advanced = or_(
        exists().where(RefundRow.payment_id == PaymentRow.id, RefundRow.advanced > 0),
        exists().where(DisputeRow.payment_id == PaymentRow.id, DisputeRow.advanced > 0),
    )
    paid_in = (
        select(OrderRow.owner_kind, OrderRow.owner_id, OrderRow.currency)
        .join(PaymentRow, PaymentRow.order_id == OrderRow.id)
        .where(advanced)
    )
    paid_out = select(PayoutRow.owner_kind, PayoutRow.owner_id, PayoutRow.currency).where(PayoutRow.advanced > 0)
    statement = paid_in.union(paid_out).order_by("owner_id", "currency")
    return [(row[0], row[1], row[2]) for row in await session.execute(statement)]


# --- invariants -----------------------------------------------------------------------------------------------------


async def given_back_too_much(session: ReadSession) -> list[str]:
    """One line for each payment of which more was given back than was captured."""
    captured = case((PaymentRow.captured_at.is_not(None), PaymentRow.amount), else_=0)
    statement = select(PaymentRow.id, PaymentRow.amount, _given_back()).where(_given_back() > captured)
    return [f"payment {row[0]} of {row[1]} gave back {row[2]}" for row in await session.execute(statement)]


async def wrong_totals(session: ReadSession) -> list[str]:
    """One line for each payment whose `refunded` is not what its refunds and lost disputes add up to."""
    statement = select(PaymentRow.id, PaymentRow.refunded, _given_back()).where(PaymentRow.refunded != _given_back())
    return [f"payment {row[0]} says {row[1]} was given back, not {row[2]}" for row in await session.execute(statement)]


def _given_back() -> ColumnElement[int]:
    refunds_total = (
        select(func.coalesce(func.sum(RefundRow.amount), 0))
        .where(RefundRow.payment_id == PaymentRow.id, RefundRow.state == RefundState.PROCESSED)
        .scalar_subquery()
    )
    taken_total = (
        select(func.coalesce(func.sum(DisputeRow.taken), 0))
        .where(DisputeRow.payment_id == PaymentRow.id)
        .scalar_subquery()
    )
    return refunds_total + taken_total


async def wrongly_disputed_orders(session: ReadSession) -> list[str]:
    """One line for each paid order that is called disputed without a dispute that runs, or the reverse."""
    runs = exists().where(
        PaymentRow.order_id == OrderRow.id,
        PaymentRow.purpose_state.is_distinct_from("surplus"),
        DisputeRow.payment_id == PaymentRow.id,
        DisputeRow.state.in_(DISPUTES_RUN),
    )
    statement = select(OrderRow.id, OrderRow.state).where(
        or_(and_(OrderRow.state == "disputed", ~runs), and_(OrderRow.state != "disputed", runs))
    )
    return [f"order {row[0]} is {row[1]}, its disputes say otherwise" for row in await session.execute(statement)]
