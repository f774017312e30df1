"""SQL of what staff look for: lists narrowed by a filter, newest first, and what hangs on one order."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from tillhouse.kernel.db import ReadSession
from tillhouse.parts.payments.domain.finding import (
    DisputeFilter,
    EventFilter,
    LineFilter,
    Narrowing,
    OrderFilter,
    PayoutFilter,
    RefundFilter,
    TransferFilter,
)
from tillhouse.parts.payments.domain.reconciliation import AGREED
from tillhouse.parts.payments.models import (
    BankStatementRow,
    DisputeRow,
    ExceptionRow,
    OrderRow,
    PaymentRow,
    PayoutRow,
    ProviderEventRow,
    ReconLineRow,
    RefundRow,
    TransferRow,
)

Row = TypeVar("Row", OrderRow, PayoutRow, RefundRow, DisputeRow, ProviderEventRow, TransferRow)
Instant = InstrumentedAttribute[datetime]
Number = InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None]

_MOST = 200


async def orders(
    session: ReadSession, wanted: OrderFilter, providers: Collection[str], *, limit: int, before: UUID | None = None
) -> Sequence[OrderRow]:
    """Orders that fit. `providers` are those whose ids `wanted.text` may be: an index finds them by both."""
    query = _narrowed(select(OrderRow), OrderRow, wanted, OrderRow.created_at)
    if wanted.state:
        query = query.where(OrderRow.state == wanted.state)
    if wanted.owner:
        query = query.where(OrderRow.owner_id == wanted.owner)
    if wanted.text:
        query = query.where(_order_called(wanted.text, providers))
    return await _page(session, query, OrderRow, limit, before)


async def payouts(
    session: ReadSession, wanted: PayoutFilter, providers: Collection[str], *, limit: int, before: UUID | None = None
) -> Sequence[PayoutRow]:
    """Payouts that fit."""
    query = _narrowed(select(PayoutRow), PayoutRow, wanted, PayoutRow.created_at)
    if wanted.state:
        query = query.where(PayoutRow.state == wanted.state)
    if wanted.owner:
        query = query.where(PayoutRow.owner_id == wanted.owner)
    if wanted.reason:
        query = query.where(PayoutRow.reasons.contains([wanted.reason]))
    if wanted.text:
        theirs = and_(PayoutRow.provider.in_(providers), PayoutRow.provider_payout_id == wanted.text)
        query = query.where(_any_of(theirs, PayoutRow.utr == wanted.text, number=wanted.text, ids=(PayoutRow.id,)))
    return await _page(session, query, PayoutRow, limit, before)


async def refunds(
    session: ReadSession, wanted: RefundFilter, providers: Collection[str], *, limit: int, before: UUID | None = None
) -> Sequence[RefundRow]:
    """Refunds that fit."""
    query = _narrowed(select(RefundRow), RefundRow, wanted, RefundRow.created_at)
    if wanted.state:
        query = query.where(RefundRow.state == wanted.state)
    if wanted.text:
        theirs = and_(RefundRow.provider.in_(providers), RefundRow.provider_refund_id == wanted.text)
        query = query.where(_any_of(theirs, number=wanted.text, ids=(RefundRow.id, RefundRow.payment_id)))
    return await _page(session, query, RefundRow, limit, before)


async def disputes(
    session: ReadSession, wanted: DisputeFilter, providers: Collection[str], *, limit: int, before: UUID | None = None
) -> Sequence[DisputeRow]:
    """Disputes that fit."""
    query = _narrowed(select(DisputeRow), DisputeRow, wanted, DisputeRow.opened_at)
    if wanted.state:
        query = query.where(DisputeRow.state == wanted.state)
    if wanted.running:
        query = query.where(DisputeRow.closed_at.is_(None))
    if wanted.text:
        theirs = and_(DisputeRow.provider.in_(providers), DisputeRow.provider_dispute_id == wanted.text)
        query = query.where(_any_of(theirs, number=wanted.text, ids=(DisputeRow.id, DisputeRow.payment_id)))
    return await _page(session, query, DisputeRow, limit, before)


async def events(
    session: ReadSession, wanted: EventFilter, providers: Collection[str], *, limit: int, before: UUID | None = None
) -> Sequence[ProviderEventRow]:
    """Events that fit."""
    row = ProviderEventRow
    query = _narrowed(select(row), row, wanted, row.received_at)
    if wanted.name:
        query = query.where(row.name == wanted.name)
    if wanted.stuck:
        query = query.where(or_(_put_aside(), _given_up(wanted.dead)))
    elif wanted.state == "dead":
        query = query.where(_given_up(wanted.dead))
    elif wanted.state:
        query = query.where(row.state == wanted.state)
    if wanted.text:
        named = or_(row.event_id == wanted.text, row.order_id == wanted.text, row.payment_id == wanted.text)
        query = query.where(
            _any_of(and_(row.provider.in_(providers), named), row.payout_reference == wanted.text, number=wanted.text,
                    ids=(row.id,))
        )  # fmt: skip
    return await _page(session, query, row, limit, before)


async def transfers(
    session: ReadSession, wanted: TransferFilter, providers: Collection[str], *, limit: int, before: UUID | None = None
) -> Sequence[TransferRow]:
    """Bank transfers that fit."""
    query = _narrowed(select(TransferRow), TransferRow, wanted, TransferRow.recorded_at)
    if wanted.state:
        query = query.where(TransferRow.state == wanted.state)
    if wanted.open_only:
        query = query.where(TransferRow.state.in_(("waiting", "unplaced")))
    if wanted.text:
        theirs = and_(TransferRow.provider.in_(providers), TransferRow.transfer_id == wanted.text)
        bank = TransferRow.bank_reference == wanted.text
        query = query.where(_any_of(theirs, bank, number=wanted.text, ids=(TransferRow.id, TransferRow.order_id)))
    return await _page(session, query, TransferRow, limit, before)


async def lines(
    session: ReadSession, wanted: LineFilter, *, limit: int, before: UUID | None = None
) -> Sequence[ReconLineRow]:
    """Lines of providers' reports that fit; `amount` is what the provider says."""
    row = ReconLineRow
    query = select(row)
    if wanted.provider:
        query = query.where(row.provider == wanted.provider)
    if wanted.day:
        query = query.where(row.settled_on == wanted.day)
    if wanted.line_class:
        query = query.where(row.line_class == wanted.line_class)
    if wanted.differing:
        query = query.where(row.line_class.not_in(AGREED))
    if before:
        query = query.where(row.id < before)
    return (await session.execute(query.order_by(row.id.desc()).limit(limit))).scalars().all()


async def days_reported(session: ReadSession, *, since: date) -> list[tuple[str, date, str, str, int, int]]:
    """What providers reported of each day: provider, day, currency, class, how many lines, what they say they paid."""
    row = ReconLineRow
    names = (row.provider, row.settled_on, row.currency, row.line_class)
    query = (
        select(*names, func.count(), func.coalesce(func.sum(row.gross - row.fee), 0))
        .where(row.settled_on >= since)
        .group_by(*names)
        .order_by(row.settled_on.desc(), row.provider, row.currency, row.line_class)
    )
    found = await session.execute(query)
    return [(r[0], r[1] or since, r[2], r[3], int(r[4]), int(r[5] or 0)) for r in found]


async def statements(session: ReadSession, *, limit: int) -> Sequence[BankStatementRow]:
    """What was imported of our bank accounts, the last first."""
    query = select(BankStatementRow).order_by(BankStatementRow.imported_at.desc()).limit(limit)
    return (await session.execute(query)).scalars().all()


# --- what hangs on one thing ----------------------------------------------------------------------------------------


async def disputes_of_payments(session: ReadSession, payment_ids: Collection[UUID]) -> Sequence[DisputeRow]:
    """Disputes of these payments, oldest first."""
    query = select(DisputeRow).where(DisputeRow.payment_id.in_(payment_ids)).order_by(DisputeRow.id)
    return (await session.execute(query)).scalars().all()


async def refunds_of_payments(session: ReadSession, payment_ids: Collection[UUID]) -> Sequence[RefundRow]:
    """Refunds of these payments, oldest first."""
    query = select(RefundRow).where(RefundRow.payment_id.in_(payment_ids)).order_by(RefundRow.id)
    return (await session.execute(query)).scalars().all()


async def payments_by_ids(session: ReadSession, payment_ids: Collection[UUID]) -> dict[UUID, PaymentRow]:
    """These payments by their ids."""
    query = select(PaymentRow).where(PaymentRow.id.in_(payment_ids))
    return {row.id: row for row in (await session.execute(query)).scalars()}


async def transfers_of_order(session: ReadSession, order_id: UUID) -> Sequence[TransferRow]:
    """Bank transfers that were for an order, oldest first."""
    query = select(TransferRow).where(TransferRow.order_id == order_id).order_by(TransferRow.id)
    return (await session.execute(query)).scalars().all()


async def outgoing_like(session: ReadSession, transfer: TransferRow, *, limit: int = 20) -> Sequence[TransferRow]:
    """Transfers that left the same account since, over the same amount, and explain nothing yet: newest first."""
    row = TransferRow
    query = select(row).where(
        row.provider == transfer.provider,
        row.account == transfer.account,
        row.direction == "out",
        row.state == "outgoing",
        row.amount == transfer.amount,
        row.currency == transfer.currency,
        row.happened_at >= transfer.happened_at,
    )
    return (await session.execute(query.order_by(row.id.desc()).limit(limit))).scalars().all()


async def orders_costing(session: ReadSession, transfer: TransferRow, *, limit: int = 10) -> Sequence[OrderRow]:
    """Unpaid orders over exactly a transfer's amount, and the one it waits for: newest first."""
    row = OrderRow
    alike = and_(
        row.provider == transfer.provider,
        row.currency == transfer.currency,
        row.amount == transfer.amount,
        row.state.in_(("pending", "expired")),
    )
    query = select(row).where(or_(alike, row.id == transfer.order_id)).order_by(row.id.desc()).limit(limit)
    return (await session.execute(query)).scalars().all()


async def events_about(
    session: ReadSession, provider: str, *, order_id: str | None, payment_ids: Collection[str]
) -> Sequence[ProviderEventRow]:
    """A provider's events about an order or its payments, oldest first."""
    row = ProviderEventRow
    ours = row.payment_id.in_(payment_ids)
    query = select(row).where(row.provider == provider, or_(row.order_id == order_id, ours) if order_id else ours)
    return (await session.execute(query.order_by(row.id).limit(_MOST))).scalars().all()


async def events_of_payout(session: ReadSession, payout_id: UUID) -> Sequence[ProviderEventRow]:
    """Events that name a payout of ours, oldest first."""
    query = select(ProviderEventRow).where(ProviderEventRow.payout_reference == str(payout_id))
    return (await session.execute(query.order_by(ProviderEventRow.id).limit(_MOST))).scalars().all()


async def event_by_id(session: ReadSession, event_row_id: UUID) -> ProviderEventRow | None:
    """The event, None when there is none."""
    return await session.get(ProviderEventRow, event_row_id)


async def transfer_by_id(session: ReadSession, transfer_row_id: UUID) -> TransferRow | None:
    """The transfer, None when there is none."""
    return await session.get(TransferRow, transfer_row_id)


# --- what waits -----------------------------------------------------------------------------------------------------


async def payouts_waiting(session: ReadSession) -> tuple[int, datetime | None]:
    """How many payouts wait for an approval, and since when the oldest."""
    return await _count(session, PayoutRow.created_at, PayoutRow.state == "awaiting_approval")


async def payouts_unknown(session: ReadSession, before: datetime) -> tuple[int, datetime | None]:
    """How many payouts were sent before then without the provider saying what became of them."""
    return await _count(
        session, PayoutRow.created_at, and_(PayoutRow.state.in_(("sending", "unknown")), PayoutRow.created_at < before)
    )


async def events_stuck(session: ReadSession, dead: Collection[UUID]) -> tuple[int, datetime | None]:
    """How many events were put aside or given up and need a person, and since when the oldest."""
    return await _count(session, ProviderEventRow.received_at, or_(_put_aside(), _given_up(dead)))


async def disputes_running(session: ReadSession, due_before: datetime | None = None) -> tuple[int, datetime | None]:
    """How many disputes run, and the nearest day by which one has to be answered; those due before then alone."""
    query = select(func.count(), func.min(DisputeRow.respond_by)).where(DisputeRow.closed_at.is_(None))
    if due_before:
        query = query.where(DisputeRow.respond_by < due_before)
    row = (await session.execute(query)).one()
    return row[0], row[1]


async def transfers_open(session: ReadSession) -> tuple[int, datetime | None]:
    """How many transfers wait in suspense, and since when the oldest."""
    return await _count(session, TransferRow.recorded_at, TransferRow.state.in_(("waiting", "unplaced")))


async def _count(session: ReadSession, since: Instant, where: ColumnElement[bool]) -> tuple[int, datetime | None]:
    row = (await session.execute(select(func.count(), func.min(since)).where(where))).one()
    return row[0], row[1]


# --- how a list is narrowed -----------------------------------------------------------------------------------------


def _narrowed(query: Select[Row], row: type[Row], wanted: Narrowing, at: Instant) -> Select[Row]:
    if wanted.provider:
        query = query.where(row.provider == wanted.provider)
    if wanted.amount is not None:
        query = query.where(row.amount == wanted.amount)
    if wanted.currency:
        query = query.where(row.currency == wanted.currency)
    if wanted.since:
        query = query.where(at >= wanted.since)
    if wanted.until:
        query = query.where(at < wanted.until)
    return query


async def _page(
    session: ReadSession, query: Select[Row], row: type[Row], limit: int, before: UUID | None
) -> Sequence[Row]:
    if before:
        query = query.where(row.id < before)
    return (await session.execute(query.order_by(row.id.desc()).limit(limit))).scalars().all()


def _order_called(text: str, providers: Collection[str]) -> ColumnElement[bool]:
    theirs = and_(OrderRow.provider.in_(providers), OrderRow.provider_order_id == text)
    tried = select(PaymentRow.order_id).where(
        PaymentRow.provider.in_(providers), PaymentRow.provider_payment_id == text
    )
    found = [theirs, OrderRow.id.in_(tried), OrderRow.email == text.lower()]
    number = _uuid(text)
    if number:
        found += [
            OrderRow.id == number,
            OrderRow.id.in_(select(PaymentRow.order_id).where(PaymentRow.id == number)),
        ]
    return or_(*found)


def _any_of(*conditions: ColumnElement[bool], number: str, ids: Sequence[Number]) -> ColumnElement[bool]:
    wanted = _uuid(number)
    return or_(*conditions, *(one == wanted for one in ids)) if wanted else or_(*conditions)


def _put_aside() -> ColumnElement[bool]:
    """Put aside, and nobody has ended its exception."""
    row = ProviderEventRow
    still_open = exists().where(
        ExceptionRow.subject == row.provider + ":" + row.event_id,
        ExceptionRow.reason == row.reason,
        ExceptionRow.closed_at.is_(None),
    )
    return and_(row.state == "parked", still_open)


def _given_up(dead: Collection[UUID]) -> ColumnElement[bool]:
    return and_(ProviderEventRow.state == "received", ProviderEventRow.id.in_(dead))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
