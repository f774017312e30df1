"""Payment intents through Stripe's official SDK."""

from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.stripe_shop import Shop


def test_a_card_pays_and_leaves_its_money_and_fee_on_the_balance(shop: Shop) -> None:
    intent = shop.paid(10_000, "usd", metadata={"order_id": "order-1"})
    assert (intent.status, intent.amount_received) == ("succeeded", 10_000)
    charge: Any = shop.client.v1.charges.retrieve(
        intent.latest_charge, {"expand": ["balance_transaction", "payment_intent"]}
    )
    assert (charge.paid, charge.captured, charge.metadata["order_id"]) == (True, True, "order-1")
    assert charge.payment_method_details.card.last4 == "4242"
    assert charge.payment_intent.id == intent.id
    moved = charge.balance_transaction
    assert (moved.amount, moved.fee, moved.net, moved.reporting_category) == (10_000, 320, 9_680, "charge")
    assert shop.client.v1.balance.retrieve().pending[0].amount == 9_680
    shop.after(2 * 86_400)
    assert shop.client.v1.balance.retrieve().available[0].amount == 9_680
    assert shop.types() == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ],
)
def test_a_decline_is_a_card_error_and_the_intent_can_be_paid_again(
    shop: Shop, card: str, code: str, decline_code: str
) -> None:
    with pytest.raises(stripe.CardError) as refused:
        shop.paid(card=card)
    error: Any = refused.value.error
    assert (refused.value.http_status, error.code, error.decline_code) == (402, code, decline_code)
    intent = shop.client.v1.payment_intents.retrieve(error.payment_intent.id)
    assert (intent.status, intent.amount_received) == ("requires_payment_method", 0)
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.charge == error.charge
    assert shop.client.v1.charges.retrieve(error.charge).status == "failed"

    paid = shop.client.v1.payment_intents.confirm(
        intent.id, {"payment_method": "pm_card_visa", "return_url": "http://127.0.0.1:9/"}
    )
    assert (paid.status, paid.last_payment_error) == ("succeeded", None)
    assert shop.client.v1.balance_transactions.list().data[0].amount == 10_000


@pytest.mark.parametrize(("answer", "status"), [("complete", "succeeded"), ("fail", "requires_payment_method")])
def test_3d_secure_leads_to_the_bank_and_back_to_the_shop(shop: Shop, answer: str, status: str) -> None:
    back = "http://127.0.0.1:9/back?order=1"
    intent = shop.paid(card="pm_card_authenticationRequired", return_url=back)
    assert intent.status == "requires_action"
    assert intent.next_action.type == "redirect_to_url"
    led = httpx.post(intent.next_action.redirect_to_url.url, data={"answer": answer})
    assert led.status_code == 303
    query = httpx.URL(led.headers["location"]).params
    assert (query["order"], query["payment_intent"]) == ("1", intent.id)
    assert query["payment_intent_client_secret"] == intent.client_secret
    assert query["redirect_status"] == ("succeeded" if answer == "complete" else "failed")
    after = shop.client.v1.payment_intents.retrieve(intent.id)
    assert (after.status, after.next_action) == (status, None)
    if answer == "fail":
        assert after.last_payment_error is not None
        assert after.last_payment_error.code == "payment_intent_authentication_failure"
        assert shop.client.v1.balance_transactions.list().data == []


def test_a_card_that_wants_its_holder_is_declined_when_they_are_absent(shop: Shop) -> None:
    with pytest.raises(stripe.CardError) as refused:
        shop.paid(card="pm_card_authenticationRequired", off_session=True)
    assert refused.value.code == "authentication_required"


def test_a_manual_capture_may_take_a_part_and_lets_the_rest_go(shop: Shop) -> None:
    intent = shop.paid(10_000, capture_method="manual")
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 10_000, 0)
    assert shop.client.v1.balance_transactions.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="greater than the amount you can capture"):
        shop.client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 10_001})
    taken = shop.client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 4_000})
    assert (taken.status, taken.amount_capturable, taken.amount_received) == ("succeeded", 0, 4_000)
    charge = shop.client.v1.charges.retrieve(str(taken.latest_charge))
    assert (charge.amount, charge.amount_captured) == (10_000, 4_000)
    with pytest.raises(stripe.InvalidRequestError) as again:
        shop.client.v1.payment_intents.capture(intent.id)
    assert again.value.code == "payment_intent_unexpected_state"
    assert [moved.amount for moved in shop.client.v1.balance_transactions.list().data] == [4_000]


def test_an_authorisation_lapses_after_seven_days(shop: Shop) -> None:
    intent = shop.paid(capture_method="manual")
    shop.after(7 * 86_400)
    lapsed = shop.client.v1.payment_intents.retrieve(intent.id)
    assert (lapsed.status, lapsed.cancellation_reason, lapsed.amount_capturable) == ("canceled", "automatic", 0)
    assert shop.types()[-2:] == ["charge.expired", "payment_intent.canceled"]


def test_canceling_ends_what_has_not_succeeded_and_nothing_else(shop: Shop) -> None:
    held = shop.paid(capture_method="manual")
    canceled = shop.client.v1.payment_intents.cancel(held.id, {"cancellation_reason": "requested_by_customer"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "requested_by_customer")
    paid = shop.paid()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.client.v1.payment_intents.cancel(paid.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert shop.client.v1.payment_intents.retrieve(paid.id).status == "succeeded"


def test_an_intent_goes_step_by_step_and_takes_changes_until_it_is_confirmed(shop: Shop) -> None:
    intents = shop.client.v1.payment_intents
    intent = intents.create({"amount": 2_000, "currency": "usd", "metadata": {"a": "1", "b": "2"}})
    assert intent.status == "requires_payment_method"
    assert intent.automatic_payment_methods is not None
    assert intent.client_secret is not None
    assert intent.client_secret.startswith(f"{intent.id}_secret_")
    intent = intents.update(intent.id, {"amount": 3_000, "metadata": {"a": "", "c": "3"}})
    assert (intent.amount, intent.metadata.to_dict()) == (3_000, {"b": "2", "c": "3"})
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        intents.confirm(intent.id)
    intent = intents.update(intent.id, {"payment_method": "pm_card_visa"})
    assert intent.status == "requires_confirmation"
    with pytest.raises(stripe.InvalidRequestError, match="you must provide a `return_url`"):
        intents.confirm(intent.id)
    assert intents.confirm(intent.id, {"return_url": "http://127.0.0.1:9/"}).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as late:
        intents.update(intent.id, {"amount": 1_000})
    assert late.value.code == "payment_intent_unexpected_state"
    assert intents.update(intent.id, {"metadata": {"d": "4"}}).metadata["d"] == "4"
    assert intents.retrieve(intent.id).amount == 3_000


def test_promptpay_shows_a_code_to_scan(shop: Shop) -> None:
    intent = shop.client.v1.payment_intents.create(
        {
            "amount": 25_050,
            "currency": "thb",
            "allowed_payment_method_types": ["promptpay"],
            "payment_method_data": {"type": "promptpay", "billing_details": {"email": "somchai@example.com"}},
            "confirm": True,
        }
    )
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    assert intent.next_action.type == "promptpay_display_qr_code"
    code = intent.next_action.promptpay_display_qr_code
    assert code is not None
    assert "5406250.50" in code.data
    assert "5303764" in code.data
    assert httpx.get(code.image_url_png).content.startswith(b"\x89PNG")
    assert "<svg" in httpx.get(code.image_url_svg).text
    assert httpx.get(code.hosted_instructions_url).status_code == 200
    shop.act(f"payment_intents/{intent.id}/pay")
    paid: Any = shop.client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert (paid.status, paid.latest_charge.payment_method_details.type) == ("succeeded", "promptpay")


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (49, "usd", "amount_too_small"),
        (999, "thb", "amount_too_small"),
        (100_000_000, "usd", "amount_too_large"),
        (100, "xyz", None),
    ],
)
def test_amounts_and_currencies_have_limits(shop: Shop, amount: int, currency: str, code: str | None) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.client.v1.payment_intents.create({"amount": amount, "currency": currency})
    assert refused.value.code == code
    assert shop.client.v1.payment_intents.list().data == []


@pytest.mark.parametrize(
    ("currency", "shown"), [("vnd", "250.000\N{NO-BREAK SPACE}₫"), ("jpy", "¥250,000"), ("inr", "₹2,500.00")]
)
def test_zero_decimal_currencies_are_whole_units(shop: Shop, currency: str, shown: str) -> None:
    intent = shop.paid(250_000, currency)
    charge = shop.client.v1.charges.retrieve(intent.latest_charge)
    assert charge.receipt_url is not None
    assert shown in httpx.get(charge.receipt_url).text


def test_search_finds_by_metadata_and_status(shop: Shop) -> None:
    wanted = shop.paid(metadata={"order_id": "6735"})
    shop.paid(metadata={"order_id": "6736"})
    search = shop.client.v1.payment_intents.search
    assert [i.id for i in search({"query": "metadata['order_id']:'6735'"}).data] == [wanted.id]
    assert search({"query": "status:'canceled' AND metadata['order_id']:'6735'"}).data == []
    assert len(search({"query": "status:'succeeded' AND amount>9999"}).data) == 2
    assert [i.id for i in search({"query": "-metadata['order_id']:'6736'"}).data] == [wanted.id]
    first = search({"query": "currency:'usd'", "limit": 1})
    assert (first.has_more, len(first.data)) == (True, 1)
    assert first.next_page is not None
    assert [i.id for i in search({"query": "currency:'usd'", "page": first.next_page}).data] == [wanted.id]
    with pytest.raises(stripe.InvalidRequestError, match="unable to parse"):
        search({"query": "give me everything"})


def test_a_customer_is_kept_found_and_forgotten(shop: Shop) -> None:
    customers = shop.client.v1.customers
    asha = customers.create({"email": "asha@example.com", "name": "Asha", "metadata": {"person": "7"}})
    intent = shop.paid(customer=asha.id, expand=["customer"])
    assert intent.customer.email == "asha@example.com"
    assert [c.id for c in customers.list({"email": "asha@example.com"}).data] == [asha.id]
    assert customers.update(asha.id, {"name": "Asha R"}).name == "Asha R"
    assert customers.delete(asha.id).deleted
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        customers.retrieve(asha.id)
