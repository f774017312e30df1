"""What has been on its way for too long, the longest first, without what a person has been told of already.

Told of: its exception is open, or two people explained it (without ending it) after `explained_since`. So whatever is
cut off by the limit comes with the next look, and what was explained does not come back the next minute.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Text, cast, exists, func, or_, select, update

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.payments.domain import OrderState, PayoutState
from tillhouse.parts.payments.domain.payouts import HOLDS_MONEY
from tillhouse.parts.payments.domain.refunds import REFUNDS_HOLD
from tillhouse.parts.payments.models import (
    ExceptionRow,
    OrderRow,
    PayeeRow,
    PaymentRow,
    PayoutRow,
    ProviderEventRow,
    RefundRow,
    ResolutionRow,
    SavedCardRow,
)

AT_ONCE = 500


async def explained(session: ReadSession, subject: str, reason: str, since: datetime) -> bool:
    """Whether two people explained this after then."""
    found = select(_explained(ExceptionRow.subject == subject, reason, since))
    return bool((await session.execute(found)).scalar_one())


async def authorized_payments(
    session: ReadSession, reason: str, before: datetime, explained_since: datetime
) -> Sequence[PaymentRow]:
    """Payments that were authorised before then and not captured since."""
    query = (
        select(PaymentRow)
        .where(
            PaymentRow.state == OrderState.AUTHORIZED,
            PaymentRow.updated_at < before,
            _untold(cast(PaymentRow.id, Text), reason, explained_since),
        )
        .order_by(PaymentRow.updated_at, PaymentRow.id)
    )
    return (await session.execute(query.limit(AT_ONCE))).scalars().all()


async def unfinished_payouts(
    session: ReadSession, reason: str, before: datetime, explained_since: datetime
) -> Sequence[PayoutRow]:
    """Payouts that were asked for before then and have no end yet; not those that wait for us."""
    waiting = [state for state in HOLDS_MONEY if state != PayoutState.AWAITING_APPROVAL]
    return await _payouts(session, waiting, reason, before, explained_since)


async def unapproved_payouts(
    session: ReadSession, reason: str, before: datetime, explained_since: datetime
) -> Sequence[PayoutRow]:
    """Payouts that were asked for before then and wait for people, or for a bank, to let them go."""
    return await _payouts(session, [PayoutState.AWAITING_APPROVAL], reason, before, explained_since)


async def unanswered_checks(
    session: ReadSession, reason: str, before: datetime, explained_since: datetime
) -> Sequence[PayeeRow]:
    """Payees about whom the bank was first asked before then, without an answer."""
    query = (
        select(PayeeRow)
        .where(
            PayeeRow.state == "checking",
            PayeeRow.check_sent_at < before,
            _untold(cast(PayeeRow.id, Text), reason, explained_since),
        )
        .order_by(PayeeRow.check_sent_at, PayeeRow.id)
    )
    return (await session.execute(query.limit(AT_ONCE))).scalars().all()


async def unfinished_refunds(
    session: ReadSession, reason: str, before: datetime, explained_since: datetime
) -> Sequence[RefundRow]:
    """Refunds that were asked for before then and have no end yet."""
    query = (
        select(RefundRow)
        .where(
            RefundRow.state.in_(REFUNDS_HOLD),
            RefundRow.created_at < before,
            _untold(cast(RefundRow.id, Text), reason, explained_since),
        )
        .order_by(RefundRow.created_at, RefundRow.id)
    )
    return (await session.execute(query.limit(AT_ONCE))).scalars().all()


async def unhandled_events(
    session: ReadSession, reason: str, before: datetime, explained_since: datetime
) -> Sequence[ProviderEventRow]:
    """Events that came before then and are not handled yet."""
    subject = ProviderEventRow.provider + ":" + ProviderEventRow.event_id
    query = (
        select(ProviderEventRow)
        .where(
            ProviderEventRow.state == "received",
            ProviderEventRow.received_at < before,
            _untold(subject, reason, explained_since),
        )
        .order_by(ProviderEventRow.received_at, ProviderEventRow.id)
    )
    return (await session.execute(query.limit(AT_ONCE))).scalars().all()


async def events_to_try_again(session: ReadSession, before: datetime) -> Sequence[ProviderEventRow]:
    """Events that came before then and are not handled yet, told of or not: any of them, so that each has its turn."""
    query = select(ProviderEventRow).where(ProviderEventRow.state == "received", ProviderEventRow.received_at < before)
    return (await session.execute(query.order_by(func.random()).limit(AT_ONCE))).scalars().all()


async def pending_cards(
    session: ReadSession, reason: str, before: datetime, explained_since: datetime
) -> Sequence[SavedCardRow]:
    """Cards that were to be kept before then and are neither kept nor given up: their order was paid, or their gateway
    is asked still. A page that nobody came back from is neither: whoever opened it has changed their mind.
    """
    paid = exists().where(OrderRow.id == SavedCardRow.order_id, OrderRow.paid_at.is_not(None))
    query = (
        select(SavedCardRow)
        .where(
            SavedCardRow.state == "pending",
            SavedCardRow.consented_at < before,
            or_(paid, SavedCardRow.next_check_at.is_not(None)),
            _untold(cast(SavedCardRow.id, Text), reason, explained_since),
        )
        .order_by(SavedCardRow.consented_at, SavedCardRow.id)
    )
    return (await session.execute(query.limit(AT_ONCE))).scalars().all()


async def forget_ended_cards(session: Session, reason: str) -> None:
    """Take cards off the list of what a person has to look at that are kept or given up by now."""
    pending = select(cast(SavedCardRow.id, Text)).where(SavedCardRow.state == "pending")
    await session.execute(
        update(ExceptionRow)
        .where(
            ExceptionRow.kind == "card",
            ExceptionRow.reason == reason,
            ExceptionRow.closed_at.is_(None),
            ExceptionRow.subject.not_in(pending),
        )
        .values(closed_at=clock.now())
    )


async def _payouts(
    session: ReadSession, states: Sequence[PayoutState], reason: str, before: datetime, explained_since: datetime
) -> Sequence[PayoutRow]:
    query = (
        select(PayoutRow)
        .where(
            PayoutRow.state.in_(states),
            PayoutRow.created_at < before,
            _untold(cast(PayoutRow.id, Text), reason, explained_since),
        )
        .order_by(PayoutRow.created_at, PayoutRow.id)
    )
    return (await session.execute(query.limit(AT_ONCE))).scalars().all()


def _untold(subject: ColumnElement[str], reason: str, explained_since: datetime) -> ColumnElement[bool]:
    about = ExceptionRow.subject == subject
    still_open = exists().where(about, ExceptionRow.reason == reason, ExceptionRow.closed_at.is_(None))
    return ~still_open & ~_explained(about, reason, explained_since)


def _explained(about: ColumnElement[bool], reason: str, since: datetime) -> ColumnElement[bool]:
    return exists().where(
        about,
        ExceptionRow.reason == reason,
        ExceptionRow.closed_at > since,
        ResolutionRow.exception_id == ExceptionRow.id,
        ResolutionRow.state == "approved",
    )
