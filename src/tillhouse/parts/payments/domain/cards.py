"""Cards that a gateway keeps for a person, to be charged while they are away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# A gateway's page for a card is asked about at these ages; whoever has not come back by then has changed their mind.
_CHECK_AT_AGE: Sequence[timedelta] = tuple(timedelta(minutes=m) for m in (2, 5, 15, 60, 360, 1470))

# What another try cannot change (https://docs.stripe.com/declines/codes, https://docs.omise.co/charges-api): the person
# has to do something, so they are asked instead. Anything else may be different in a few days.
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
    }
)


@dataclass(frozen=True, slots=True)
class CardRef:
    """A card as its gateway names it: whose it is there, and which of theirs."""

    customer: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a gateway tells of a card that it keeps. Never its number."""

    ref: CardRef
    brand: str
    last4: str
    expires_year: int
    expires_month: int


def next_card_check(begun_at: datetime, now: datetime) -> datetime | None:
    """When to ask the gateway again whether somebody has given their card; None once it is too late."""
    return next((begun_at + age for age in _CHECK_AT_AGE if begun_at + age > now), None)


def needs_person(reason: str | None) -> bool:
    """Whether a card that was refused for this reason will be refused again until its holder does something."""
    return reason in _FINAL
