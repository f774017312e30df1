"""What a payout goes through: data, and the functions that read it.

    awaiting_approval ─► reserved ─► sending ─► processing ─► processed ─► reversed
            │               │           └► unknown ┘   └► failed, rejected, cancelled, reversed
            └► rejected     └► failed, cancelled

`sending` is written before the call: after a crash it means what `unknown` means, the provider has to be asked.
Terminal is terminal, except that a bank may return what was processed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_


class PayoutState(StrEnum):
    """Where a payout stands."""

    AWAITING_APPROVAL = "awaiting_approval"
    RESERVED = "reserved"
    SENDING = "sending"
    UNKNOWN = "unknown"
    PROCESSING = "processing"
    PROCESSED = "processed"
    REVERSED = "reversed"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


_S = PayoutState
_GIVEN_UP = frozenset({_S.FAILED, _S.REJECTED, _S.CANCELLED})
_ANSWERS = _GIVEN_UP | {_S.PROCESSING, _S.PROCESSED, _S.REVERSED}
PAYOUT_MOVES: dict[PayoutState, frozenset[PayoutState]] = {
    _S.AWAITING_APPROVAL: frozenset({_S.RESERVED, _S.REJECTED, _S.CANCELLED}),
    _S.RESERVED: frozenset({_S.SENDING, _S.CANCELLED, _S.FAILED}),
    _S.SENDING: _ANSWERS | {_S.UNKNOWN},
    _S.UNKNOWN: _ANSWERS | {_S.SENDING},
    _S.PROCESSING: _GIVEN_UP | {_S.PROCESSED, _S.REVERSED},
    _S.PROCESSED: frozenset({_S.REVERSED}),
    _S.REVERSED: frozenset(),
    _S.FAILED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.CANCELLED: frozenset(),
}

HOLDS_MONEY = frozenset({_S.AWAITING_APPROVAL, _S.RESERVED, _S.SENDING, _S.UNKNOWN, _S.PROCESSING})
WITH_PROVIDER = frozenset({_S.SENDING, _S.UNKNOWN, _S.PROCESSING, _S.PROCESSED})
NEVER_HAPPENED = _GIVEN_UP | {_S.REVERSED}

_SENTENCES = {
    _S.AWAITING_APPROVAL: N_("Someone of ours looks at this withdrawal first. The money is set aside in your wallet."),
    _S.RESERVED: N_("Your withdrawal is on its way. The money is set aside in your wallet."),
    _S.SENDING: N_("Your withdrawal is on its way. The money is set aside in your wallet."),
    _S.UNKNOWN: N_("We are waiting for the bank's answer. The money stays set aside until we have it."),
    _S.PROCESSING: N_("The bank is working on it. This takes minutes, at times until the next working day."),
    _S.PROCESSED: N_("Paid out."),
    _S.REVERSED: N_("The bank sent the money back. It is in your wallet again: check the details and try again."),
    _S.FAILED: N_("The bank refused. The money is in your wallet: check the details and try again."),
    _S.REJECTED: N_("The withdrawal was not approved. The money is in your wallet."),
    _S.CANCELLED: N_("The withdrawal was cancelled. The money is in your wallet."),
}

_ORGANISATIONS_SENTENCES = {
    _S.AWAITING_APPROVAL: N_(
        "Someone of ours looks at this withdrawal first. The money is set aside in the organisation's wallet."
    ),
    _S.RESERVED: N_("The withdrawal is on its way. The money is set aside in the organisation's wallet."),
    _S.SENDING: N_("The withdrawal is on its way. The money is set aside in the organisation's wallet."),
    _S.REVERSED: N_(
        "The bank sent the money back. It is in the organisation's wallet again: check the details and try again."
    ),
    _S.FAILED: N_("The bank refused. The money is in the organisation's wallet: check the details and try again."),
    _S.REJECTED: N_("The withdrawal was not approved. The money is in the organisation's wallet."),
    _S.CANCELLED: N_("The withdrawal was cancelled. The money is in the organisation's wallet."),
}

AT_THE_BANK_FIRST = N_(
    "We are asking the bank whose account this is; then the withdrawal goes by itself. The money is set aside in your "
    "wallet."
)

ORGANISATION_AT_THE_BANK_FIRST = N_(
    "We are asking the bank whose account this is; then the withdrawal goes by itself. The money is set aside in the "
    "organisation's wallet."
)

_MINUTES = (1, 3, 5, 10, 20, 30, 60, 120, 240, 480)
_THEN_EVERY = timedelta(hours=12)
_AFTER_PROCESSED = tuple(timedelta(days=d) for d in (1, 3, 7))


@dataclass(frozen=True, slots=True)
class PayoutFacts:
    """One payout as the provider tells it. `reference` is our row's id, as we gave it; `amount` what it was asked to
    give the payee.

    `arrives` is what the payee's bank gets of it, and `came_back` what was taken back of it since: None where the
    provider says nothing of that.
    """

    provider: str
    payout_id: str
    reference: str
    amount: Money
    state: PayoutState
    utr: str | None = None
    fee: int | None = None
    tax: int | None = None
    reason: str | None = None
    message: str | None = None
    arrives: Money | None = None
    came_back: Money | None = None


def payout_step(now: PayoutState, wanted: PayoutState) -> PayoutState | None:
    """The state after hearing of `wanted`, or None when hearing it changes nothing (old news, or not allowed)."""
    return wanted if wanted in PAYOUT_MOVES[now] else None


def payout_differs(ours: PayoutState, told: PayoutState) -> bool:
    """Whether the provider says otherwise than we have booked where the money is, and no step leads there."""
    if ours == _S.PROCESSED:
        return told in _GIVEN_UP
    # One that came back was under way before: only that it arrived after all is news.
    return (told == _S.PROCESSED and ours in NEVER_HAPPENED) or (told == _S.PROCESSING and ours in _GIVEN_UP)


# Why a payout that is made, or under way, gives its payee another amount than was promised.
FEE_DIFFERENCE = "fee_difference"
PARTLY_REVERSED = "partly_reversed"


def payout_lacks(promised: Money, facts: PayoutFacts) -> dict[str, Money]:
    """By reason, what the payee lacks of what was promised: zero where they get all of it, below zero where more.

    Of what the provider says nothing, nothing is known that was not before: it has no entry.
    """
    if facts.state in NEVER_HAPPENED:
        return dict.fromkeys((FEE_DIFFERENCE, PARTLY_REVERSED), Money(0, promised.unit))
    found: dict[str, Money] = {}
    if facts.arrives is not None:
        found[FEE_DIFFERENCE] = promised - facts.arrives
    if facts.came_back is not None:
        found[PARTLY_REVERSED] = facts.came_back
    return found


def payout_sentence(state: PayoutState, owner_kind: str = "person", *, waits_for_bank: bool = False) -> str:
    """What the state means for the owner's money: an English message id. `waits_for_bank`: for nobody of ours."""
    own = owner_kind != "organisation"
    if waits_for_bank:
        return AT_THE_BANK_FIRST if own else ORGANISATION_AT_THE_BANK_FIRST
    return _SENTENCES[state] if own else _ORGANISATIONS_SENTENCES.get(state, _SENTENCES[state])


def next_payout_check(state: PayoutState, since: datetime, now: datetime) -> datetime | None:
    """When to ask the provider about a payout again; None when nothing it can tell would change anything.

    `since` is when it was first sent or, for a processed one, when it was processed: a bank returns money for days.
    """
    if state == _S.PROCESSED:
        return next((since + age for age in _AFTER_PROCESSED if since + age > now), None)
    if state not in HOLDS_MONEY or state == _S.AWAITING_APPROVAL:
        return None
    soon = next((since + timedelta(minutes=m) for m in _MINUTES if since + timedelta(minutes=m) > now), None)
    return soon or now + _THEN_EVERY
