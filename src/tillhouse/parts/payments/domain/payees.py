"""Whom a person pays out to: a saved account, and what is known of it.

    new ─► checking ─► verified          removed ─► new   when it is added again: it has to cool anew
              └► refused                 any ─► removed

`new` is an account that nobody has asked the bank about: small amounts may go there.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain.destinations import BankAccount, Destination, StripeAccount, ThaiBankAccount, Vpa
from tillhouse.parts.payments.domain.names import NameMatch


class PayeeState(StrEnum):
    """What is known of an account that money may go to."""

    NEW = "new"
    CHECKING = "checking"
    VERIFIED = "verified"
    REFUSED = "refused"
    REMOVED = "removed"


_SENTENCES = {
    PayeeState.NEW: N_("Saved. The bank has not been asked about it yet."),
    PayeeState.CHECKING: N_("We are asking the bank whose account this is. This takes about a minute."),
    PayeeState.VERIFIED: N_("The bank knows this account."),
    PayeeState.REFUSED: N_("The bank does not pay to this account. Check the details and save it again."),
    PayeeState.REMOVED: N_("Removed."),
}

_MINUTES = (1, 2, 3, 5, 10, 20, 30, 60, 120, 240)
_THEN_EVERY = timedelta(hours=12)


def payee_sentence(state: PayeeState) -> str:
    """What the state means for the person: an English message id."""
    return _SENTENCES[state]


def account_of(to: Destination) -> str:
    """The account itself, however its holder or its branch was written: the same text is the same account."""
    if isinstance(to, Vpa):
        return f"vpa:{to.address.lower()}"
    if isinstance(to, BankAccount):
        return f"bank_account:{to.ifsc[:4]}:{to.account_number.upper()}"
    if isinstance(to, ThaiBankAccount):
        return f"thai_bank_account:{to.bank}:{to.account_number}"
    assert isinstance(to, StripeAccount)
    return f"stripe_account:{to.account_id}"


def next_account_check(since: datetime, now: datetime) -> datetime:
    """When to ask again about an account that was first asked about at `since`."""
    soon = next((since + timedelta(minutes=m) for m in _MINUTES if since + timedelta(minutes=m) > now), None)
    return soon or now + _THEN_EVERY


# --- what keeps a payout back ---------------------------------------------------------------------------------------

Reason = Literal[
    "large_amount",
    "payee_unverified",
    "payee_cooling",
    "name_mismatch",
    "name_partial",
    "account_shared",
    "account_busy",
    "house_busy",
    "requester_left",
]

APPROVED_BECAUSE = frozenset({"checked", "known_payee", "spoke_to_person", "documents_seen", "amount_explained"})
REJECTED_BECAUSE = frozenset({"not_explained", "suspected_fraud", "not_their_account", "person_asked", "wrong_details"})


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a payee when money is to go there. `verifiable`: its provider can ask the bank."""

    state: PayeeState
    name_match: NameMatch | None
    verifiable: bool


def reasons_of_payee(standing: Standing, *, above: bool, partial_is_enough: bool) -> list[Reason]:
    """Why a person has to look at a payout to this payee; `above`: it is one for which the account has to be known.

    A name that belongs to somebody else is looked at whatever the amount: it is never paid silently.
    """
    if standing.state == PayeeState.VERIFIED:
        if standing.name_match == NameMatch.MISMATCH:
            return ["name_mismatch"]
        unsure = standing.name_match in (NameMatch.PARTIAL, NameMatch.UNKNOWN)
        return ["name_partial"] if above and unsure and not partial_is_enough else []
    return ["payee_unverified"] if above and standing.verifiable else []
