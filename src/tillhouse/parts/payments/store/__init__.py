"""All SQL of payments. Locks are taken on the order or payout first, on the ledger's accounts after."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TypeVar, cast
from uuid import UUID

from sqlalchemy import Select, Table, and_, case, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject, ReadSession, Session, rows_of
from tillhouse.kernel.ids import new_id
from tillhouse.parts.payments.domain import OrderState
from tillhouse.parts.payments.domain.payouts import HOLDS_MONEY, NEVER_HAPPENED
from tillhouse.parts.payments.models import (
    DisputeRow,
    ExceptionRow,
    OrderRow,
    PaymentRow,
    PayoutRow,
    ProviderEventRow,
    RefundRow,
    SavedCardRow,
)

Row = TypeVar("Row", OrderRow, PayoutRow)
Due = TypeVar("Due", OrderRow, PayoutRow, RefundRow, DisputeRow, SavedCardRow)

_AT_ONCE = 500
_EVENTS = cast("Table", ProviderEventRow.__table__)  # many rows at once go in faster round the ORM


# --- orders and payments --------------------------------------------------------------------------------------------


async def insert_order(session: Session, row: OrderRow) -> OrderRow:
    """Insert an order, or return the owner's earlier one with the same request key (waiting for it to commit)."""
    return await _insert_once(session, OrderRow, row)


async def order_by_id(session: ReadSession, order_id: UUID) -> OrderRow | None:
    """The order, None when there is none."""
    return await session.get(OrderRow, order_id)


async def order_by_provider_id(session: ReadSession, provider: str, provider_order_id: str) -> OrderRow | None:
    """The order with this id at the gateway, None when there is none."""
    return (await session.execute(_by_provider_id(provider, provider_order_id))).scalar_one_or_none()


async def lock_order(session: Session, order_id: UUID) -> OrderRow | None:
    """The order as it is now, locked until the transaction ends; None when there is none."""
    statement = select(OrderRow).where(OrderRow.id == order_id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def lock_order_by_provider_id(session: Session, provider: str, provider_order_id: str) -> OrderRow | None:
    """The order with this id at the gateway, as it is now and locked; None when there is none."""
    statement = _by_provider_id(provider, provider_order_id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def orders_by_provider_ids(
    session: ReadSession, names: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], OrderRow]:
    """`order_by_provider_id` for many: the orders found, by provider and id there."""
    return await _orders_named(session, _named(names))


async def lock_orders_by_provider_ids(
    session: Session, names: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], OrderRow]:
    """`lock_order_by_provider_id` for many, in one order for everybody."""
    statement = _named(names).order_by(OrderRow.id).with_for_update().execution_options(populate_existing=True)
    return await _orders_named(session, statement)


async def _orders_named(session: ReadSession, wanted: Select[OrderRow]) -> Mapping[tuple[str, str], OrderRow]:
    found = (await session.execute(wanted)).scalars()
    return {(order.provider, order.provider_order_id or ""): order for order in found}


def _named(names: Collection[tuple[str, str]]) -> Select[OrderRow]:
    return select(OrderRow).where(tuple_(OrderRow.provider, OrderRow.provider_order_id).in_(set(names)))


def _by_provider_id(provider: str, provider_order_id: str) -> Select[OrderRow]:
    return select(OrderRow).where(OrderRow.provider == provider, OrderRow.provider_order_id == provider_order_id)


async def orders_of(
    session: ReadSession, owner_kind: str, owner_id: UUID, *, limit: int, before: UUID | None
) -> Sequence[OrderRow]:
    """An owner's orders, newest first, those before the id `before` where given."""
    statement = select(OrderRow).where(OrderRow.owner_kind == owner_kind, OrderRow.owner_id == owner_id)
    if before:
        statement = statement.where(OrderRow.id < before)
    return (await session.execute(statement.order_by(OrderRow.id.desc()).limit(limit))).scalars().all()


async def emails_of_owner(session: ReadSession, owner_kind: str, owner_id: UUID) -> Sequence[str]:
    """The e-mail addresses that an owner's orders name."""
    mine = (OrderRow.owner_kind == owner_kind, OrderRow.owner_id == owner_id)
    statement = select(OrderRow.email).where(*mine, OrderRow.email.is_not(None))
    return [email for email in (await session.execute(statement)).scalars() if email]


async def payment_by_id(session: ReadSession, payment_id: UUID) -> PaymentRow | None:
    """The payment, None when there is none."""
    return await session.get(PaymentRow, payment_id)


async def payment_by_provider_id(session: ReadSession, provider: str, payment_id: str) -> PaymentRow | None:
    """The payment as it is now. Needs its order's lock to stay true."""
    statement = select(PaymentRow).where(PaymentRow.provider == provider, PaymentRow.provider_payment_id == payment_id)
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def payments_by_provider_ids(
    session: ReadSession, names: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], PaymentRow]:
    """`payment_by_provider_id` for many: the payments found, by provider and id there."""
    named = tuple_(PaymentRow.provider, PaymentRow.provider_payment_id).in_(set(names))
    found = await session.execute(select(PaymentRow).where(named).execution_options(populate_existing=True))
    return {(payment.provider, payment.provider_payment_id): payment for payment in found.scalars()}


async def undelivered(session: ReadSession, owner_kind: str, owner_id: UUID) -> Sequence[PaymentRow]:
    """An owner's payments whose purpose crashed, oldest first."""
    statement = (
        select(PaymentRow)
        .join(OrderRow, OrderRow.id == PaymentRow.order_id)
        .where(OrderRow.owner_kind == owner_kind, OrderRow.owner_id == owner_id, PaymentRow.purpose_state == "crashed")
        .order_by(PaymentRow.id)
    )
    return (await session.execute(statement)).scalars().all()


async def payments_of_order(session: ReadSession, order_id: UUID) -> Sequence[PaymentRow]:
    """Every try at paying an order, oldest first."""
    statement = select(PaymentRow).where(PaymentRow.order_id == order_id).order_by(PaymentRow.id)
    return (await session.execute(statement)).scalars().all()


async def authorized_totals(session: ReadSession, owner_kind: str, owner_id: UUID) -> list[tuple[str, int]]:
    """For each currency, minor units that are authorised for an owner's orders and not captured yet."""
    statement = (
        select(PaymentRow.currency, func.sum(PaymentRow.amount))
        .join(OrderRow, OrderRow.id == PaymentRow.order_id)
        .where(
            OrderRow.owner_kind == owner_kind,
            OrderRow.owner_id == owner_id,
            OrderRow.state == OrderState.AUTHORIZED,
            PaymentRow.state == OrderState.AUTHORIZED,
        )
        .group_by(PaymentRow.currency)
    )
    return [(row[0], int(row[1])) for row in await session.execute(statement)]


# --- payouts --------------------------------------------------------------------------------------------------------


async def insert_payout(session: Session, row: PayoutRow) -> PayoutRow:
    """Insert a payout, or return the owner's earlier one with the same request key (waiting for it to commit)."""
    return await _insert_once(session, PayoutRow, row)


async def payout_by_id(session: ReadSession, payout_id: UUID) -> PayoutRow | None:
    """The payout, None when there is none."""
    return await session.get(PayoutRow, payout_id)


async def payout_by_provider_id(session: ReadSession, provider: str, payout_id: str) -> PayoutRow | None:
    """The payout with this id at its provider, None when there is none."""
    statement = select(PayoutRow).where(PayoutRow.provider == provider, PayoutRow.provider_payout_id == payout_id)
    return (await session.execute(statement)).scalar_one_or_none()


async def lock_payout(session: Session, payout_id: UUID) -> PayoutRow | None:
    """The payout as it is now, locked until the transaction ends; None when there is none."""
    statement = select(PayoutRow).where(PayoutRow.id == payout_id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def payouts_of(
    session: ReadSession, owner_kind: str, owner_id: UUID, *, limit: int, before: UUID | None
) -> Sequence[PayoutRow]:
    """An owner's payouts, newest first, those before the id `before` where given."""
    statement = select(PayoutRow).where(PayoutRow.owner_kind == owner_kind, PayoutRow.owner_id == owner_id)
    if before:
        statement = statement.where(PayoutRow.id < before)
    return (await session.execute(statement.order_by(PayoutRow.id.desc()).limit(limit))).scalars().all()


async def paid_out_since(session: ReadSession, owner_kind: str, owner_id: UUID, currency: str, since: datetime) -> int:
    """Minor units that an owner has asked to be paid out since then, without what never went out."""
    statement = select(func.coalesce(func.sum(PayoutRow.amount), 0)).where(
        PayoutRow.owner_kind == owner_kind,
        PayoutRow.owner_id == owner_id,
        PayoutRow.currency == currency,
        PayoutRow.created_at >= since,
        PayoutRow.state.not_in(NEVER_HAPPENED),
    )
    return int((await session.execute(statement)).scalar_one())


async def erase_destinations(session: Session, owner_kind: str, owner_id: UUID, empty: bytes) -> None:
    """Replace what is sealed and shown of an owner's destinations."""
    await session.execute(
        update(PayoutRow)
        .where(PayoutRow.owner_kind == owner_kind, PayoutRow.owner_id == owner_id)
        .values(destination=empty, destination_masked="…")
    )


async def erase_emails(session: Session, owner_id: UUID, addresses: Sequence[str]) -> None:
    """Forget the e-mail addresses of a person's orders and refunds, and of those that name one of their addresses."""
    paid = select(PaymentRow.id).join(OrderRow, OrderRow.id == PaymentRow.order_id)
    paid = paid.where(OrderRow.owner_kind == "person", OrderRow.owner_id == owner_id)
    refunds = or_(RefundRow.payment_id.in_(paid), RefundRow.email.in_(addresses))
    await session.execute(update(RefundRow).where(refunds).values(email=None))
    theirs = or_(and_(OrderRow.owner_kind == "person", OrderRow.owner_id == owner_id), OrderRow.email.in_(addresses))
    await session.execute(update(OrderRow).where(theirs).values(email=None))


# --- what is due ----------------------------------------------------------------------------------------------------


async def take_due(session: Session, table: type[Due], next_check_at: datetime) -> list[UUID]:
    """Ids of rows that are due to be asked about, pushed to `next_check_at` so that nobody else takes them now."""
    due = (
        select(table.id)
        .where(table.next_check_at <= clock.now())
        .order_by(table.next_check_at)
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    statement = update(table).where(table.id.in_(due)).values(next_check_at=next_check_at).returning(table.id)
    return list((await session.execute(statement)).scalars())


async def open_business(session: ReadSession, owner_kind: str, owner_id: UUID) -> tuple[bool, bool]:
    """Whether an owner has a payment, and a payout, that is still under way."""
    order = exists().where(
        OrderRow.owner_kind == owner_kind, OrderRow.owner_id == owner_id,
        OrderRow.state.in_((OrderState.PENDING, OrderState.AUTHORIZED, OrderState.DISPUTED)),
    )  # fmt: skip
    payout = exists().where(
        PayoutRow.owner_kind == owner_kind, PayoutRow.owner_id == owner_id, PayoutRow.state.in_(HOLDS_MONEY)
    )
    row = (await session.execute(select(order, payout))).one()
    return bool(row[0]), bool(row[1])


# --- providers' events ----------------------------------------------------------------------------------------------


async def insert_events(session: Session, rows: Sequence[ProviderEventRow]) -> set[UUID]:
    """`insert_event` for many, in one statement and in order; returns the ids of those that were inserted."""
    statement = insert(_EVENTS).on_conflict_do_nothing().returning(_EVENTS.c.id)
    values = [{column.key: getattr(row, column.key) for column in _EVENTS.columns} for row in rows]
    return set((await session.execute(statement, values)).scalars())


async def insert_event(session: Session, row: ProviderEventRow) -> bool:
    """Insert an event. False when its id (as the first of it) or this very body was there already.

    Waits for another transaction that is inserting the same.
    """
    values = {column.key: getattr(row, column.key) for column in ProviderEventRow.__table__.columns}
    statement = insert(ProviderEventRow).values(values).on_conflict_do_nothing()
    return rows_of(await session.execute(statement)) == 1


async def bodies_came_before(session: ReadSession, ids: Collection[UUID]) -> set[UUID]:
    """Those of these events whose bytes came before under another event id."""
    other = aliased(ProviderEventRow)
    before = exists().where(
        other.provider == ProviderEventRow.provider,
        other.body_hash == ProviderEventRow.body_hash,
        other.event_id != ProviderEventRow.event_id,
    )
    return set(
        (await session.execute(select(ProviderEventRow.id).where(ProviderEventRow.id.in_(ids), before))).scalars()
    )


async def lock_event(session: Session, event_row_id: UUID) -> ProviderEventRow | None:
    """The event as it is now, locked until the transaction ends; None when there is none."""
    statement = select(ProviderEventRow).where(ProviderEventRow.id == event_row_id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def events_received(session: ReadSession, ids: Collection[UUID]) -> Sequence[ProviderEventRow]:
    """Those of these events that are not handled yet."""
    statement = select(ProviderEventRow).where(ProviderEventRow.id.in_(ids), ProviderEventRow.state == "received")
    return (await session.execute(statement)).scalars().all()


async def lock_events(session: Session, ids: Collection[UUID]) -> Sequence[ProviderEventRow]:
    """`lock_event` for many, in one order for everybody."""
    statement = select(ProviderEventRow).where(ProviderEventRow.id.in_(ids)).order_by(ProviderEventRow.id)
    found = await session.execute(statement.with_for_update().execution_options(populate_existing=True))
    return found.scalars().all()


async def events(
    session: ReadSession, *, state: str | None, limit: int, before: UUID | None
) -> Sequence[ProviderEventRow]:
    """Events, newest first, all or those of one state."""
    statement = select(ProviderEventRow)
    if state:
        statement = statement.where(ProviderEventRow.state == state)
    if before:
        statement = statement.where(ProviderEventRow.id < before)
    return (await session.execute(statement.order_by(ProviderEventRow.id.desc()).limit(limit))).scalars().all()


async def parked_events(session: ReadSession, *, limit: int) -> Sequence[ProviderEventRow]:
    """Events that were put aside, newest first."""
    statement = select(ProviderEventRow).where(ProviderEventRow.state == "parked")
    return (await session.execute(statement.order_by(ProviderEventRow.id.desc()).limit(limit))).scalars().all()


async def delete_events_before(session: Session, before: datetime) -> int:
    """Delete events that came before then and are done with; returns how many."""
    statement = delete(ProviderEventRow).where(
        ProviderEventRow.received_at < before, ProviderEventRow.state.in_(("processed", "ignored"))
    )
    return rows_of(await session.execute(statement))


# --- exceptions -----------------------------------------------------------------------------------------------------


async def open_exception(session: Session, *, kind: str, subject: str, reason: str, details: JsonObject) -> bool:
    """Put something before a person, once while it is open. False when it was there already."""
    statement = (
        insert(ExceptionRow)
        .values(id=new_id(), kind=kind, subject=subject, reason=reason, details=details, opened_at=clock.now())
        .on_conflict_do_nothing()
    )
    return rows_of(await session.execute(statement)) == 1


async def close_exception(session: Session, *, subject: str, reason: str) -> None:
    """Take something off the list of what a person has to look at."""
    await session.execute(
        update(ExceptionRow)
        .where(ExceptionRow.subject == subject, ExceptionRow.reason == reason, ExceptionRow.closed_at.is_(None))
        .values(closed_at=clock.now())
    )


async def last_exception(session: ReadSession, *, subject: str, reason: str) -> ExceptionRow | None:
    """What a person was told last of this, open or ended."""
    query = select(ExceptionRow).where(ExceptionRow.subject == subject, ExceptionRow.reason == reason)
    newest = query.order_by(ExceptionRow.opened_at.desc(), ExceptionRow.id.desc()).limit(1)
    return (await session.execute(newest.execution_options(populate_existing=True))).scalar_one_or_none()


async def open_exceptions(session: ReadSession, *, limit: int) -> Sequence[ExceptionRow]:
    """What a person has to look at, newest first."""
    statement = select(ExceptionRow).where(ExceptionRow.closed_at.is_(None))
    return (await session.execute(statement.order_by(ExceptionRow.id.desc()).limit(limit))).scalars().all()


# --- invariants -----------------------------------------------------------------------------------------------------


async def wrongly_paid_orders(session: ReadSession) -> list[str]:
    """One line for each order whose state and captured payments do not agree."""
    paying = (
        select(func.count())
        .where(
            PaymentRow.order_id == OrderRow.id,
            PaymentRow.captured_at.is_not(None),
            PaymentRow.purpose_state.is_distinct_from("surplus"),
        )
        .scalar_subquery()
    )
    paid = OrderRow.state.in_(
        (OrderState.CAPTURED, OrderState.PARTIALLY_REFUNDED, OrderState.REFUNDED, OrderState.DISPUTED)
    )
    statement = select(OrderRow.id, OrderRow.state, paying).where(paying != case((paid, 1), else_=0))
    return [f"order {row[0]} is {row[1]} with {row[2]} payments" for row in await session.execute(statement)]


async def payouts_under_way(session: ReadSession) -> Sequence[PayoutRow]:
    """Payouts whose money is set aside."""
    return (await session.execute(select(PayoutRow).where(PayoutRow.state.in_(HOLDS_MONEY)))).scalars().all()


async def _insert_once(session: Session, table: type[Row], row: Row) -> Row:
    values = {column.key: getattr(row, column.key) for column in table.__table__.columns}
    mine = (table.owner_kind == row.owner_kind, table.owner_id == row.owner_id, table.request_key == row.request_key)
    await session.execute(insert(table).values(values).on_conflict_do_nothing())
    found = select(table).where(*mine).with_for_update().execution_options(populate_existing=True)
    return (await session.execute(found)).scalar_one()
