"""What a person has to look at, and what is counted."""

from datetime import datetime

from prometheus_client import Counter

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonValue, ReadSession, Session, after_commit
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.live import tell
from tillhouse.kernel.logs import get_logger
from tillhouse.parts.payments import store
from tillhouse.parts.payments.models import OrderRow, PayoutRow
from tillhouse.parts.payments.ports import KeyRefused
from tillhouse.parts.payments.service.registry import settings_of
from tillhouse.parts.payments.store import overdue

_log = get_logger(__name__)

_DEPOSITS = Counter("deposits", "Orders for money by what became of them", ["provider", "status"])
_WITHDRAWALS = Counter("withdrawals", "Payouts by what became of them", ["provider", "status"])
_REVIEWS = Counter("payout_reviews", "Payouts that wait for a person, by why", ["reason"])
_GUARDED = Counter("payout_refusals", "Payouts that a limit or the state of an account refused", ["reason"])
_CHECKS = Counter("account_checks", "Questions to banks about accounts by what became of them", ["provider", "state"])
_REFUNDS = Counter("refunds", "Refunds by what became of them", ["provider", "status"])
_DISPUTES = Counter("disputes", "Disputes by what became of them", ["provider", "status"])
_TRANSFERS = Counter("bank_transfers", "Bank transfers by what became of them", ["provider", "status"])
_EVENTS = Counter("provider_events", "Events of providers by what became of them", ["provider", "state"])
_EXCEPTIONS = Counter("payment_exceptions", "Things of payments that a person has to look at", ["reason"])
_RECON_LINES = Counter("recon_lines", "Lines of providers' reports by what they are", ["provider", "result"])
_BANK_LINES = Counter("bank_lines", "Lines of our bank by what they are", ["result"])


async def look_into(session: Session, kind: str, subject: str, reason: str, **details: JsonValue) -> None:
    """Put something before a person, once while it is open. `details` hold no personal data."""
    if await store.open_exception(session, kind=kind, subject=subject, reason=reason, details=dict(details)):
        _log.warning("payments_exception", kind=kind, subject=subject, reason=reason)
        after_commit(session, lambda: _EXCEPTIONS.labels(reason).inc())


async def look_into_key(session: Session, error: TransientError) -> None:
    """Put it before a person when it is our key that a provider refused: nobody's payment mends that."""
    if isinstance(error, KeyRefused):
        await look_into(session, "provider", error.provider, "our_key_refused")


async def remind_of(session: Session, kind: str, subject: str, reason: str, **details: JsonValue) -> None:
    """`look_into` for what is found again and again: not so soon after two people have explained it."""
    if not await overdue.explained(session, subject, reason, explained_since(session)):
        await look_into(session, kind, subject, reason, **details)


async def tell_anew(session: Session, kind: str, subject: str, reason: str, **details: JsonValue) -> None:
    """`remind_of` for what may become worse: other details than were told last are told at once, in place of those.

    Needs a lock on the subject.
    """
    last = await store.last_exception(session, subject=subject, reason=reason)
    if last is None or last.details == details:
        await remind_of(session, kind, subject, reason, **details)
        return
    await no_longer(session, subject, reason)
    await look_into(session, kind, subject, reason, **details)


def explained_since(session: ReadSession) -> datetime:
    """What was explained before then, and is so still, is put before a person again."""
    return clock.now() - settings_of(session).remind_after


async def no_longer(session: Session, subject: str, *reasons: str) -> None:
    """Take something off the list of what a person has to look at: it is so no longer."""
    for reason in reasons:
        await store.close_exception(session, subject=subject, reason=reason)


def count_deposit(session: Session, provider: str, status: str) -> None:
    """Count what became of an order, when this transaction commits."""
    after_commit(session, lambda: _DEPOSITS.labels(provider, status).inc())


def order_moved(session: Session, order: OrderRow) -> None:
    """Count what became of an order, and tell its owner, when this transaction commits."""
    count_deposit(session, order.provider, order.state)
    if order.owner_kind == "person":
        tell(session, order.owner_id, "payments", id=str(order.id), status=order.state)


def payout_moved(session: Session, payout: PayoutRow) -> None:
    """Count what became of a payout, and tell its owner, when this transaction commits."""
    count_withdrawal(session, payout.provider, payout.state)
    tell_of_payout(session, payout)


def tell_of_payout(session: Session, payout: PayoutRow) -> None:
    """Tell whoever waits for a payout how it stands, when this transaction commits: its owner, or the member who acted
    for an organisation.
    """
    person = payout.owner_id if payout.owner_kind == "person" else payout.requested_by
    if person:
        tell(session, person, "payouts", id=str(payout.id), status=payout.state)


def count_withdrawal(session: Session, provider: str, status: str) -> None:
    """Count what became of a payout, when this transaction commits."""
    after_commit(session, lambda: _WITHDRAWALS.labels(provider, status).inc())


def count_review(session: Session, reason: str) -> None:
    """Count why a payout waits for a person, when this transaction commits."""
    after_commit(session, lambda: _REVIEWS.labels(reason).inc())


def count_refusal(reason: str) -> None:
    """Count a payout that is about to be refused: at once, as its transaction will not commit."""
    _GUARDED.labels(reason).inc()


def count_check(session: Session, provider: str, state: str) -> None:
    """Count what became of a question about an account, when this transaction commits."""
    after_commit(session, lambda: _CHECKS.labels(provider, state).inc())


def count_refund(session: Session, provider: str, status: str) -> None:
    """Count what became of a refund, when this transaction commits."""
    after_commit(session, lambda: _REFUNDS.labels(provider, status).inc())


def count_dispute(session: Session, provider: str, status: str) -> None:
    """Count what became of a dispute, when this transaction commits."""
    after_commit(session, lambda: _DISPUTES.labels(provider, status).inc())


def count_transfer(session: Session, provider: str, status: str) -> None:
    """Count what became of a bank transfer, when this transaction commits."""
    after_commit(session, lambda: _TRANSFERS.labels(provider, status).inc())


def count_event(session: Session, provider: str, state: str) -> None:
    """Count what became of an event, when this transaction commits."""
    after_commit(session, lambda: _EVENTS.labels(provider, state).inc())


def count_recon_line(session: Session, provider: str, line_class: str) -> None:
    """Count what a line of a provider's report was found to be, when this transaction commits."""
    after_commit(session, lambda: _RECON_LINES.labels(provider, line_class).inc())


def count_bank_line(session: Session, line_class: str) -> None:
    """Count what a line of our bank was found to be, when this transaction commits."""
    after_commit(session, lambda: _BANK_LINES.labels(line_class).inc())
