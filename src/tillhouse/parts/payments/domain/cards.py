"""What a gateway keeps of a person to be charged while they are away: a card, or an authorisation by UPI.

All of it is called a card here: it is kept with the same consent, charged the same way and removed the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tillhouse.kernel.money import Money

# A gateway's page for a card is asked about at these ages; whoever has not come back by then has changed their mind.
_CHECK_AT_AGE: Sequence[timedelta] = tuple(timedelta(minutes=m) for m in (2, 5, 15, 60, 360, 1470))

CardKind = Literal["card", "upi"]
Standing = Literal["kept", "paused", "ended"]
"""How its holder has left it at their bank: `paused` can be charged again once they resume it, `ended` never."""

MANDATE_PAUSED, MANDATE_ENDED, ABOVE_MANDATE = "mandate_paused", "mandate_ended", "above_mandate"

# What another try cannot change (https://docs.stripe.com/declines/codes, https://docs.omise.co/charges-api,
# https://razorpay.com/docs/api/payments/recurring-payments/upi/create-subsequent-payments/): the person has to do
# something, so they are asked instead. Anything else may be different in a few days.
_FINAL = frozenset(
    {
        "authentication_required",
        "authentication_not_handled",
        "card_not_supported",
        "card_velocity_exceeded",
        "do_not_honor_permanently",
        "expired_card",
        "fraudulent",
        "incorrect_number",
        "invalid_account",
        "invalid_account_number",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "lost_card",
        "merchant_blacklist",
        "pickup_card",
        "resource_missing",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "stolen_or_lost_card",
        "stop_payment_order",
        "failed_fraud_check",
        "not_found",
        "card_removed",
        "amount_does_not_match_mandate_amount",
        "bank_account_invalid",
        "debit_declined",
        "debit_instrument_blocked",
        "invalid_token",
        "invalid_vpa",
        "mandate_cancelled",
        "mandate_debit_beyond_psp_amount_cap",
        "mandate_expired",
        "mandate_not_active",
        "mobile_number_invalid",
        "payer_account_has_changed",
        "remitter_account_dormant",
        "transaction_not_allowed",
        MANDATE_ENDED,
        ABOVE_MANDATE,
    }
)


@dataclass(frozen=True, slots=True)
class CardRef:
    """A card as its gateway names it: whose it is there, and which of theirs.

    `authorised_by` is the payment by which it was given, for a gateway that wants its payer's particulars at each
    charge: they are asked for there and kept nowhere here.
    """

    customer: str
    method: str
    authorised_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a gateway tells of a card that it keeps. Never its number.

    An authorisation by UPI has an `address` (masked) instead of the rest. `most`: what a charge may be at most, where
    its holder's bank was told; `ends_at`: when the authorisation itself ends.
    """

    ref: CardRef
    kind: CardKind = "card"
    brand: str = ""
    last4: str | None = None
    expires_year: int | None = None
    expires_month: int | None = None
    address: str | None = None
    most: Money | None = None
    ends_at: datetime | None = None


def next_card_check(begun_at: datetime, now: datetime) -> datetime | None:
    """When to ask the gateway again whether somebody has given their card; None once it is too late."""
    return next((begun_at + age for age in _CHECK_AT_AGE if begun_at + age > now), None)


def needs_person(reason: str | None) -> bool:
    """Whether a card that was refused for this reason will be refused again until its holder does something."""
    return reason in _FINAL
