"""Cards that Stripe keeps, through its official SDK: given on its page or while paying, charged later, forgotten."""

from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.stripe_shop import Shop

THANKS = "http://127.0.0.1:9/thanks"


def setup(shop: Shop, **more: Any) -> Any:
    params: Any = {
        "mode": "setup", "allowed_payment_method_types": ["card"], "success_url": THANKS, "customer_creation": "always",
        **more,
    }  # fmt: skip
    return shop.client.v1.checkout.sessions.create(params)


def kept(shop: Shop, number: str = "4242424242424242") -> Any:
    """A setup intent whose card is kept."""
    session = setup(shop)
    shop.act(f"checkout_sessions/{session.id}/pay", card=number)
    done: Any = shop.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent.payment_method"]})
    return done.setup_intent


def charge(shop: Shop, setup_intent: Any, **more: Any) -> Any:
    params: Any = {
        "amount": 10_000, "currency": "usd", "customer": setup_intent.customer, "off_session": True, "confirm": True,
        "payment_method": setup_intent.payment_method.id, "allowed_payment_method_types": ["card"], **more,
    }  # fmt: skip
    return shop.client.v1.payment_intents.create(params)


def test_a_card_given_on_the_page_is_kept_for_a_customer_and_pays_without_them(shop: Shop) -> None:
    session = setup(shop)
    assert (session.mode, session.amount_total, session.payment_status) == ("setup", None, "no_payment_required")
    page = httpx.get(session.url)
    assert "Save your card" in page.text
    led = httpx.post(session.url, data={"email": "asha@example.com", "number": "4242 4242 4242 4242"})
    assert led.headers["location"] == THANKS
    done: Any = shop.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent.payment_method"]})
    intent = done.setup_intent
    assert (done.status, intent.status, intent.usage) == ("complete", "succeeded", "off_session")
    assert (intent.payment_method.customer, intent.payment_method.card.last4) == (intent.customer, "4242")
    assert shop.client.v1.customers.retrieve(intent.customer).email == "asha@example.com"
    assert charge(shop, intent).status == "succeeded"
    assert charge(shop, intent).status == "succeeded"
    assert {"setup_intent.succeeded", "payment_method.attached", "checkout.session.completed"} <= set(shop.types())


def test_a_card_that_its_bank_refuses_is_not_kept(shop: Shop) -> None:
    session = setup(shop)
    refused = httpx.post(session.url, data={"email": "asha@example.com", "number": "4000000000000002"})
    assert (refused.status_code, "Your card was declined." in refused.text) == (402, True)
    after: Any = shop.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})
    assert (after.status, after.setup_intent.status) == ("open", "requires_payment_method")
    assert after.setup_intent.last_setup_error.decline_code == "generic_decline"


@pytest.mark.parametrize(
    ("number", "code"), [("4000000000000341", "card_declined"), ("4000002760003184", "authentication_required")]
)
def test_a_kept_card_that_is_refused_later_leaves_an_intent_that_says_why(shop: Shop, number: str, code: str) -> None:
    intent = kept(shop, number)
    with pytest.raises(stripe.CardError) as refused:
        charge(shop, intent, metadata={"receipt": "r1"})
    assert refused.value.code == code
    (tried,) = shop.client.v1.payment_intents.list({"customer": intent.customer}).data
    assert (tried.status, tried.metadata["receipt"]) == ("requires_payment_method", "r1")
    assert tried.last_payment_error
    assert tried.last_payment_error.code == code


def test_a_card_that_was_set_up_asks_its_bank_no_more(shop: Shop) -> None:
    assert charge(shop, kept(shop, "4000002500003155")).status == "succeeded"


def test_a_card_that_is_paid_with_is_kept_when_that_was_asked_for(shop: Shop) -> None:
    session = shop.session(customer_creation="always", payment_intent_data={"setup_future_usage": "off_session"})
    shop.act(f"checkout_sessions/{session.id}/pay", card="4242424242424242")
    expand = {"expand": ["payment_intent.payment_method"]}
    paid: Any = shop.client.v1.checkout.sessions.retrieve(session.id, expand).payment_intent
    assert paid.customer == paid.payment_method.customer
    again: Any = shop.client.v1.payment_intents.create(
        {
            "amount": 500, "currency": "usd", "customer": paid.customer, "payment_method": paid.payment_method.id,
            "off_session": True, "confirm": True, "allowed_payment_method_types": ["card"],
        }
    )  # fmt: skip
    assert again.status == "succeeded"


def test_one_that_was_not_kept_cannot_be_used_again_and_anothers_cannot_be_used_at_all(shop: Shop) -> None:
    paid = shop.paid()
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        shop.paid(card=paid.payment_method)
    mine, theirs = kept(shop), kept(shop)
    with pytest.raises(stripe.InvalidRequestError, match="does not have a payment method"):
        charge(shop, mine, customer=theirs.customer)


def test_a_forgotten_card_pays_nothing(shop: Shop) -> None:
    detached, deleted = kept(shop), kept(shop)
    assert shop.client.v1.payment_methods.detach(detached.payment_method.id).customer is None
    shop.client.v1.customers.delete(deleted.customer)
    with pytest.raises(stripe.InvalidRequestError):
        charge(shop, detached)
    with pytest.raises(stripe.InvalidRequestError):
        charge(shop, deleted)
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.payment_methods.detach(detached.payment_method.id)


def test_a_card_is_attached_by_the_api_unless_it_would_be_declined(shop: Shop) -> None:
    customer = shop.client.v1.customers.create({"email": "asha@example.com"})
    method = shop.client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    assert method.customer == customer.id
    with pytest.raises(stripe.CardError, match="declined"):
        shop.client.v1.payment_methods.attach("pm_card_visa_chargeDeclined", {"customer": customer.id})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"line_items": [{"price_data": {"currency": "usd", "unit_amount": 1, "product_data": {"name": "x"}}}]},
            "setup",
        ),
        ({"allowed_payment_method_types": None}, "currency"),
        ({"customer": "cus_1"}, "customer_creation"),
        ({"mode": "subscription"}, "subscription"),
    ],
)
def test_a_page_that_makes_no_sense_is_refused(shop: Shop, more: dict[str, Any], words: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=words):
        setup(shop, **more)
