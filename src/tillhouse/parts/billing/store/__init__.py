"""SQL of subscriptions and invoices. A subscription is locked before its invoice, and both before the ledger."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel.db import JsonObject, ReadSession, Session
from tillhouse.parts.billing.domain import LIVE, InvoiceState, Owner
from tillhouse.parts.billing.models import InvoiceRow, OfferRow, SubscriptionRow, TrialRow

_FRESH = {"populate_existing": True}


async def lock_owner(session: Session, owner: Owner) -> None:
    """Let one transaction at a time begin something for this owner."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"billing:{owner.id}", 0))))


async def remember_terms(session: Session, code: str, version: int, terms: JsonObject, now: datetime) -> JsonObject:
    """The terms under which this version was first sold: these, when it is sold now for the first time."""
    values = {"code": code, "version": version, "terms": terms, "sold_first_at": now}
    await session.execute(insert(OfferRow).values(values).on_conflict_do_nothing())
    statement = select(OfferRow.terms).where(OfferRow.code == code, OfferRow.version == version)
    return (await session.execute(statement)).scalar_one()


async def begin_trial(session: Session, owner: Owner, family: str, now: datetime) -> bool:
    """Note an owner's trial; False when they had one before."""
    values = {"owner_kind": owner.kind, "owner_id": owner.id, "family": family, "begun_at": now}
    statement = insert(TrialRow).values(values).on_conflict_do_nothing().returning(TrialRow.family)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def live_subscription(session: ReadSession, owner: Owner, family: str) -> SubscriptionRow | None:
    """The owner's one live subscription of a family."""
    statement = select(SubscriptionRow).where(
        _owned(SubscriptionRow, owner), SubscriptionRow.family == family, SubscriptionRow.state.in_(LIVE)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def live_subscriptions(session: ReadSession, owner: Owner) -> Sequence[SubscriptionRow]:
    """Every live subscription of an owner: one of each family at most."""
    statement = select(SubscriptionRow).where(_owned(SubscriptionRow, owner), SubscriptionRow.state.in_(LIVE))
    return (await session.execute(statement.order_by(SubscriptionRow.id))).scalars().all()


async def subscriptions_of(session: ReadSession, owner: Owner) -> Sequence[SubscriptionRow]:
    """An owner's subscriptions, newest first: the last 200."""
    statement = select(SubscriptionRow).where(_owned(SubscriptionRow, owner)).order_by(SubscriptionRow.id.desc())
    return (await session.execute(statement.limit(200))).scalars().all()


async def subscriptions(
    session: ReadSession, *, states: Sequence[str] = (), before: UUID | None = None, limit: int
) -> Sequence[SubscriptionRow]:
    """Subscriptions of everyone, newest first."""
    statement = select(SubscriptionRow)
    if states:
        statement = statement.where(SubscriptionRow.state.in_(states))
    if before:
        statement = statement.where(SubscriptionRow.id < before)
    return (await session.execute(statement.order_by(SubscriptionRow.id.desc()).limit(limit))).scalars().all()


async def subscription(session: ReadSession, subscription_id: UUID) -> SubscriptionRow | None:
    """One subscription, unlocked."""
    return await session.get(SubscriptionRow, subscription_id)


async def lock_subscription(session: Session, subscription_id: UUID) -> SubscriptionRow | None:
    """One subscription as it is now, locked until the transaction ends."""
    statement = select(SubscriptionRow).where(SubscriptionRow.id == subscription_id).with_for_update()
    return (await session.execute(statement.execution_options(**_FRESH))).scalar_one_or_none()


async def due(session: ReadSession, now: datetime, limit: int) -> Sequence[tuple[UUID, datetime]]:
    """Subscriptions that are due for a look, and since when, the most overdue first."""
    statement = select(SubscriptionRow.id, SubscriptionRow.next_look_at).where(SubscriptionRow.next_look_at <= now)
    rows = (await session.execute(statement.order_by(SubscriptionRow.next_look_at).limit(limit))).all()
    return [(subscription_id, look_at) for subscription_id, look_at in rows if look_at]


async def invoice(session: ReadSession, invoice_id: UUID) -> InvoiceRow | None:
    """One invoice, unlocked."""
    return await session.get(InvoiceRow, invoice_id)


async def lock_invoice(session: Session, invoice_id: UUID) -> tuple[SubscriptionRow | None, InvoiceRow] | None:
    """An invoice as it is now and the subscription that it is of, both locked, the subscription first."""
    known = select(InvoiceRow.subscription_id).where(InvoiceRow.id == invoice_id)
    subscription_id = (await session.execute(known)).scalar_one_or_none()
    of = await lock_subscription(session, subscription_id) if subscription_id else None
    statement = select(InvoiceRow).where(InvoiceRow.id == invoice_id).with_for_update()
    found = (await session.execute(statement.execution_options(**_FRESH))).scalar_one_or_none()
    return (of, found) if found else None


async def open_invoice(session: Session, subscription_id: UUID) -> InvoiceRow | None:
    """The open invoice of a subscription that is locked, locked as well."""
    statement = select(InvoiceRow).where(
        InvoiceRow.subscription_id == subscription_id, InvoiceRow.state == InvoiceState.OPEN
    )
    found = await session.execute(statement.with_for_update().execution_options(**_FRESH))
    return found.scalar_one_or_none()


async def invoices_in_force(session: Session, subscription_id: UUID, at: datetime) -> Sequence[InvoiceRow]:
    """The paid invoices of a subscription that is locked whose periods were not over `at` then, locked as well: the
    present period's, and a next one's that was paid in advance.
    """
    statement = select(InvoiceRow).where(
        InvoiceRow.subscription_id == subscription_id,
        InvoiceRow.state == InvoiceState.PAID,
        InvoiceRow.period_end > at,  # nor one that is being paid at this moment: it has none yet
    )
    ordered = statement.order_by(InvoiceRow.period_end, InvoiceRow.id)
    return (await session.execute(ordered.with_for_update().execution_options(**_FRESH))).scalars().all()


async def invoices_of(
    session: ReadSession, owner: Owner, *, before: UUID | None = None, limit: int
) -> Sequence[InvoiceRow]:
    """An owner's invoices, newest first."""
    statement = select(InvoiceRow).where(_owned(InvoiceRow, owner))
    if before:
        statement = statement.where(InvoiceRow.id < before)
    return (await session.execute(statement.order_by(InvoiceRow.id.desc()).limit(limit))).scalars().all()


async def lock_open_invoices(session: Session, owner: Owner) -> Sequence[InvoiceRow]:
    """An owner's open invoices that are of no subscription, locked."""
    statement = _open_alone().where(_owned(InvoiceRow, owner)).order_by(InvoiceRow.coupon, InvoiceRow.id)
    locked = statement.with_for_update().execution_options(**_FRESH)
    return (await session.execute(locked)).scalars().all()


async def lock_abandoned(session: Session, before: datetime, limit: int) -> Sequence[InvoiceRow]:
    """Open invoices that are of no subscription and were written before then, locked; those that are being paid at this
    moment are left alone. In the order of their coupons, whose rows are locked next.
    """
    statement = _open_alone().where(InvoiceRow.written_at <= before).order_by(InvoiceRow.coupon, InvoiceRow.id)
    locked = statement.limit(limit).with_for_update(skip_locked=True).execution_options(**_FRESH)
    return (await session.execute(locked)).scalars().all()


async def lock_unearned(session: Session, after: UUID | None, limit: int) -> Sequence[InvoiceRow]:
    """Paid invoices of which something is still to be earned, locked, in the order of ids."""
    statement = select(InvoiceRow).where(InvoiceRow.state == InvoiceState.PAID, ~InvoiceRow.earned)
    if after:
        statement = statement.where(InvoiceRow.id > after)
    locked = statement.order_by(InvoiceRow.id).limit(limit).with_for_update(skip_locked=True)
    return (await session.execute(locked.execution_options(**_FRESH))).scalars().all()


async def unearned_totals(session: ReadSession) -> Sequence[tuple[str, bool, int]]:
    """What of paid invoices is not earned yet, by currency and by whether it is a subscription's."""
    of_subscription = InvoiceRow.subscription_id.is_not(None)
    left = InvoiceRow.total - InvoiceRow.tax - InvoiceRow.recognised - InvoiceRow.refunded
    statement = (
        select(InvoiceRow.currency, of_subscription, func.sum(left))
        .where(InvoiceRow.state == InvoiceState.PAID)
        .group_by(InvoiceRow.currency, of_subscription)
    )
    return [(currency, bool(kind), int(total)) for currency, kind, total in (await session.execute(statement)).all()]


def _open_alone() -> Select[InvoiceRow]:
    return select(InvoiceRow).where(InvoiceRow.state == InvoiceState.OPEN, InvoiceRow.subscription_id.is_(None))


def _owned(row: type[SubscriptionRow] | type[InvoiceRow], owner: Owner) -> ColumnElement[bool]:
    return and_(row.owner_kind == owner.kind, row.owner_id == owner.id)
