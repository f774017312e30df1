"""Stripe's test values: what a card number, or the payment method that stands for it, brings about."""

from dataclasses import dataclass
from typing import Literal

from tillhouse.sandbox.stripe.errors import bad_parameter

Authentication = Literal["never", "required", "unless_set_up", "always"]


@dataclass(frozen=True)
class TestCard:
    """A test card. `refusal` is (code, decline code, sentence) for those that do not pay.

    `keeps`: it can be kept for later all the same. One of `unless_set_up` pays by itself once it was set up for that.
    """

    brand: str
    alias: str
    story: str
    refusal: tuple[str, str | None, str] | None = None
    keeps: bool = False
    authentication: Authentication = "never"
    available_at_once: bool = False
    disputed: bool = False
    refund: Literal["at_once", "pending", "fails_later"] = "at_once"


def _declined(decline_code: str, sentence: str = "Your card was declined.") -> tuple[str, str | None, str]:
    return "card_declined", decline_code, sentence


_NO_FUNDS = "Your card has insufficient funds."

TEST_CARDS = {
    "4242424242424242": TestCard("visa", "pm_card_visa", "pays"),
    "5555555555554444": TestCard("mastercard", "pm_card_mastercard", "pays"),
    "4000000000000077": TestCard("visa", "pm_card_bypassPending", "pays, available at once", available_at_once=True),
    "4000002500003155": TestCard(
        "visa", "pm_card_authenticationRequired", "asks for 3-D Secure until it is kept", authentication="unless_set_up"
    ),
    "4000002760003184": TestCard(
        "visa",
        "pm_card_authenticationRequiredOnSetup",
        "asks for 3-D Secure, kept or not",
        authentication="always",
    ),
    "4000000000003220": TestCard(
        "visa", "pm_card_threeDSecure2Required", "asks for 3-D Secure", authentication="required"
    ),
    "4000000000000002": TestCard("visa", "pm_card_visa_chargeDeclined", "is declined", _declined("generic_decline")),
    "4000000000009995": TestCard(
        "visa",
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "has too little money",
        _declined("insufficient_funds", _NO_FUNDS),
    ),
    "4000000000009987": TestCard(
        "visa", "pm_card_visa_chargeDeclinedLostCard", "is reported lost", _declined("lost_card")
    ),
    "4000000000000069": TestCard(
        "visa", "pm_card_chargeDeclinedExpiredCard", "has expired", ("expired_card", None, "Your card has expired.")
    ),
    "4000000000000127": TestCard(
        "visa",
        "pm_card_chargeDeclinedIncorrectCvc",
        "has another security code",
        ("incorrect_cvc", None, "Your card's security code is incorrect."),
    ),
    "4000000000000119": TestCard(
        "visa",
        "pm_card_chargeDeclinedProcessingError",
        "meets an error at its bank",
        ("processing_error", None, "An error occurred while processing your card. Try again in a little bit."),
    ),
    "4000000000000341": TestCard(
        "visa", "pm_card_chargeCustomerFail", "can be kept, but is declined", _declined("generic_decline"), keeps=True
    ),
    "4000000000000259": TestCard("visa", "pm_card_createDispute", "pays, then disputes it", disputed=True),
    "4000000000007726": TestCard("visa", "pm_card_pendingRefund", "pays; refunds take a while", refund="pending"),
    "4000000000005126": TestCard("visa", "pm_card_refundFail", "pays; refunds fail later", refund="fails_later"),
}
NUMBER_OF_ALIAS = {card.alias: number for number, card in TEST_CARDS.items()}


def card_of(number: str) -> TestCard:
    """The test card of that number.

    Raises:
        StripeError: it is none; the sandbox takes no others, and never a real one.
    """
    card = TEST_CARDS.get(number)
    if card is None:
        message = "Your card was declined. Your request was in test mode, but used a non test card."
        raise bad_parameter(message, "payment_method", "card_declined")
    return card


def network_decline(card: TestCard) -> dict[str, str | None]:
    """The `code`, `decline_code` and `message` of a refusal."""
    code, decline_code, message = card.refusal or ("card_declined", "generic_decline", "Your card was declined.")
    return {"code": code, "decline_code": decline_code or code, "message": message}
