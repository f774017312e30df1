"""What giving money back goes through: refunds that we ask for, and disputes that a payer's bank opens.

    refund    created ─► sending ─► pending ─► processed        dispute   open ⇄ under_review ─► lost ─► won
                 └► failed  └► unknown ┘ └► failed ◄┘                        └──────────────────────────┘

A refund that was processed may still fail: the payer's bank sends it back. `sending` is written before the call.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain.orders import OrderState


class RefundState(StrEnum):
    """Where a refund stands."""

    CREATED = "created"
    SENDING = "sending"
    UNKNOWN = "unknown"
    PENDING = "pending"
    PROCESSED = "processed"
    FAILED = "failed"


_R = RefundState
REFUND_MOVES: dict[RefundState, frozenset[RefundState]] = {
    _R.CREATED: frozenset({_R.SENDING, _R.FAILED}),
    _R.SENDING: frozenset({_R.UNKNOWN, _R.PENDING, _R.PROCESSED, _R.FAILED}),
    _R.UNKNOWN: frozenset({_R.SENDING, _R.PENDING, _R.PROCESSED, _R.FAILED}),
    _R.PENDING: frozenset({_R.PROCESSED, _R.FAILED}),
    _R.PROCESSED: frozenset({_R.FAILED}),
    _R.FAILED: frozenset(),
}

_REFUND_SENTENCES = {
    _R.CREATED: N_("The refund is being prepared. The money is set aside."),
    _R.SENDING: N_("The refund is on its way to the bank."),
    _R.UNKNOWN: N_("We are waiting for the bank's answer. The money stays set aside until we have it."),
    _R.PENDING: N_("The bank is working on it. The money arrives within a few working days."),
    _R.PROCESSED: N_("Given back to where it came from."),
    _R.FAILED: N_("The bank could not give the money back. It is in the wallet again."),
}


class DisputeState(StrEnum):
    """Where a dispute stands."""

    OPEN = "open"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"


_D = DisputeState
DISPUTE_MOVES: dict[DisputeState, frozenset[DisputeState]] = {
    _D.OPEN: frozenset({_D.UNDER_REVIEW, _D.WON, _D.LOST}),
    _D.UNDER_REVIEW: frozenset({_D.OPEN, _D.WON, _D.LOST}),
    # An end can be heard of before the beginning. A bank may give back what it took (arbitration, reinstated funds); a
    # second round (pre-arbitration) is a dispute of its own.
    _D.WON: frozenset(),
    _D.LOST: frozenset({_D.WON}),
}


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """One refund as the gateway tells it: `pending`, `processed` or `failed`. `reference` is our row's id, for ours."""

    provider: str
    refund_id: str
    payment_id: str
    amount: Money
    state: RefundState
    reference: str | None = None
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class DisputeFacts:
    """One dispute as the gateway tells it. `fee` is what the gateway keeps for it, in minor units of `amount`.

    `lost_part` minor units of a lost one are gone, where the bank left the rest of `amount` with us; else all of it is.
    """

    provider: str
    dispute_id: str
    payment_id: str
    amount: Money
    state: DisputeState
    reason: str = ""
    fee: int = 0
    respond_by: datetime | None = None
    lost_part: int | None = None


def refund_step(now: RefundState, wanted: RefundState) -> RefundState | None:
    """The state after hearing of `wanted`, or None when hearing it changes nothing (old news, or not allowed)."""
    return wanted if wanted in REFUND_MOVES[now] else None


def dispute_step(now: DisputeState, wanted: DisputeState) -> DisputeState | None:
    """The state after hearing of `wanted`, or None when hearing it changes nothing (old news, or not allowed)."""
    return wanted if wanted in DISPUTE_MOVES[now] else None


def refund_sentence(state: RefundState) -> str:
    """What the state means for the money: an English message id."""
    return _REFUND_SENTENCES[state]


REFUNDS_HOLD = frozenset({_R.CREATED, _R.SENDING, _R.UNKNOWN, _R.PENDING})
DISPUTES_RUN = frozenset({_D.OPEN, _D.UNDER_REVIEW})

_MINUTES = (1, 3, 5, 10, 20, 30, 60, 120, 240, 480)
_THEN_EVERY = timedelta(hours=12)
# A payer's bank that sends a refund back does so within days.
_AFTER_PROCESSED = tuple(timedelta(days=d) for d in (1, 3, 7, 14))


def next_refund_check(state: RefundState, since: datetime, now: datetime) -> datetime | None:
    """When to ask the gateway about a refund again; None when nothing it can tell would change anything.

    `since` is when it was first sent or, for a processed one, when it was processed.
    """
    if state == _R.PROCESSED:
        return next((since + age for age in _AFTER_PROCESSED if since + age > now), None)
    if state == _R.FAILED:
        return None
    soon = next((since + timedelta(minutes=m) for m in _MINUTES if since + timedelta(minutes=m) > now), None)
    return soon or now + _THEN_EVERY


def next_dispute_check(state: DisputeState, now: datetime) -> datetime | None:
    """When to ask the gateway about a dispute again: banks take weeks, and events get lost."""
    return now + _THEN_EVERY if state in DISPUTES_RUN else None


def paid_state(*, paid: int, given_back: int, disputed: bool) -> OrderState:
    """Where an order or payment stands after it was paid, from what was given back of it (refunds, lost disputes).

    A refund that the payer's bank sends back makes it less: then the state is what it was before.
    """
    if disputed:
        return OrderState.DISPUTED
    if given_back <= 0:
        return OrderState.CAPTURED
    return OrderState.REFUNDED if given_back >= paid else OrderState.PARTIALLY_REFUNDED


def left_to_refund(*, paid: int, refunds: int, disputes: int) -> int:
    """How much of a payment may still be given back, in minor units.

    `refunds` counts those under way and those done; `disputes` those that run and those that were lost: what the
    payer's bank takes back by itself is not given back a second time.
    """
    return max(0, paid - refunds - disputes)
