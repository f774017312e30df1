"""Checkout sessions through Stripe's official SDK, and their page as a person without JavaScript meets it."""

import re
from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.stripe_shop import CART, Shop


def pay(session: Any, **form: str) -> httpx.Response:
    return httpx.post(session.url, data={"email": "asha@example.com", "number": "4242 4242 4242 4242", **form})


def test_paying_on_the_page_completes_the_session_and_leads_to_the_shop_with_its_id(shop: Shop) -> None:
    session = shop.session(
        client_reference_id="order-1",
        metadata={"of": "session"},
        payment_intent_data={"metadata": {"of": "intent"}, "description": "Order 1"},
    )
    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 5_000)
    assert (session.payment_intent, session.ui_mode) == (None, "hosted_page")
    page = httpx.get(session.url)
    for words in ("$50.00", "Course: Algebra", "no real money"):
        assert words in page.text
    assert "form-action 'self' http://127.0.0.1:9;" in page.headers["content-security-policy"]
    assert not re.search(r"<script|\sstyle=|\son\w+=", page.text)

    led = pay(session, name="Asha")
    assert led.headers["location"] == f"http://127.0.0.1:9/thanks?session={session.id}"
    paid: Any = shop.client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["line_items", "payment_intent.latest_charge"]}
    )
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert (paid.client_reference_id, paid.metadata["of"]) == ("order-1", "session")
    assert (paid.customer_details.email, paid.customer_details.name) == ("asha@example.com", "Asha")
    assert (paid.payment_intent.metadata["of"], paid.payment_intent.description) == ("intent", "Order 1")
    assert paid.payment_intent.latest_charge.billing_details.email == "asha@example.com"
    assert [(item.quantity, item.amount_total) for item in paid.line_items.data] == [(2, 5_000)]
    assert shop.client.v1.checkout.sessions.line_items.list(session.id).data[0].description == "Course: Algebra"
    assert shop.types()[-1] == "checkout.session.completed"
    assert "Paid" in httpx.get(session.url or f"{shop.url}/_sandbox/stripe/checkout/{session.id}").text


def test_a_decline_keeps_the_person_on_the_page_with_the_reason(shop: Shop) -> None:
    session = shop.session()
    refused = pay(session, number="4000 0000 0000 9995")
    assert refused.status_code == 402
    assert "insufficient funds" in refused.text
    after = shop.client.v1.checkout.sessions.retrieve(session.id)
    assert (after.status, after.payment_status) == ("open", "unpaid")
    assert pay(session).status_code == 303
    done = shop.client.v1.checkout.sessions.retrieve(session.id)
    assert (done.payment_status, done.payment_intent) == ("paid", after.payment_intent)
    assert len(shop.client.v1.balance_transactions.list().data) == 1


@pytest.mark.parametrize("answer", ["complete", "fail"])
def test_3d_secure_on_the_page(shop: Shop, answer: str) -> None:
    session = shop.session()
    bank = f"{shop.url}{pay(session, number='4000002500003155').headers['location']}"
    assert "Your bank asks" in httpx.get(bank).text
    back = httpx.post(bank, data={"answer": answer}).headers["location"]
    after = shop.client.v1.checkout.sessions.retrieve(session.id)
    if answer == "complete":
        assert (back, after.payment_status) == (f"http://127.0.0.1:9/thanks?session={session.id}", "paid")
    else:
        assert (back, after.status) == (f"/_sandbox/stripe/checkout/{session.id}", "open")
        assert "failed authentication" in httpx.get(f"{shop.url}{back}").text
        assert shop.client.v1.balance_transactions.list().data == []


@pytest.mark.parametrize("form", [{"number": "4111111111111111"}, {"email": "nobody"}])
def test_what_cannot_be_right_is_explained_and_nothing_is_paid(shop: Shop, form: dict[str, str]) -> None:
    session = shop.session()
    page = pay(session, **form)
    assert (page.status_code, 'role="alert"' in page.text) == (422, True)
    assert shop.client.v1.payment_intents.list().data == []


def test_a_paid_session_takes_no_second_payment(shop: Shop) -> None:
    session = shop.session()
    pay(session)
    again = pay(session)
    assert again.headers["location"] == f"/_sandbox/stripe/checkout/{session.id}"
    assert len(shop.client.v1.payment_intents.list().data) == 1


def test_an_abandoned_session_stays_open_until_it_expires(shop: Shop) -> None:
    expires_at = shop.clock.at_ms // 1000 + 1_800
    session = shop.session(expires_at=expires_at)
    pay(session, number="4000000000000002")
    assert 'href="http://127.0.0.1:9/cart"' in httpx.get(session.url).text
    shop.clock.advance(1_799)
    httpx.post(f"{shop.url}/_sandbox/deliver")
    assert shop.client.v1.checkout.sessions.retrieve(session.id).status == "open"
    shop.clock.advance(1)
    httpx.post(f"{shop.url}/_sandbox/deliver")
    expired: Any = shop.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (expired.status, expired.url, expired.payment_intent.status) == ("expired", None, "canceled")
    assert "has expired" in httpx.get(f"{shop.url}/_sandbox/stripe/checkout/{session.id}").text
    assert pay(session).status_code == 303
    assert shop.client.v1.balance_transactions.list().data == []
    assert shop.types()[-1] == "checkout.session.expired"


def test_the_shop_can_expire_an_open_session_once(shop: Shop) -> None:
    session = shop.session()
    assert shop.client.v1.checkout.sessions.expire(session.id).status == "expired"
    with pytest.raises(stripe.InvalidRequestError, match="status of expired"):
        shop.client.v1.checkout.sessions.expire(session.id)


@pytest.mark.parametrize(
    ("outcome", "events", "payment_status"),
    [
        ("async_success", ["checkout.session.completed", "checkout.session.async_payment_succeeded"], "paid"),
        ("async_failure", ["checkout.session.completed", "checkout.session.async_payment_failed"], "unpaid"),
    ],
)
def test_a_slow_payment_completes_first_and_is_paid_or_not_later(
    shop: Shop, outcome: str, events: list[str], payment_status: str
) -> None:
    session = shop.session()
    answer = shop.act(f"checkout_sessions/{session.id}/pay", outcome=outcome)
    assert (answer["session"]["status"], answer["session"]["payment_status"]) == ("complete", "unpaid")
    assert answer["payment_intent"]["status"] == "processing"
    shop.after(5 * 86_400)
    assert shop.client.v1.checkout.sessions.retrieve(session.id).payment_status == payment_status
    assert [name for name in shop.types() if name.startswith("checkout")] == events


@pytest.mark.parametrize(("outcome", "status"), [("success", "complete"), ("decline", "open"), ("abandoned", "open")])
def test_the_api_twin_of_the_page(shop: Shop, outcome: str, status: str) -> None:
    session = shop.session()
    shop.act(f"checkout_sessions/{session.id}/pay", outcome=outcome)
    assert shop.client.v1.checkout.sessions.retrieve(session.id).status == status


def test_a_manual_capture_is_paid_once_it_is_captured(shop: Shop) -> None:
    session = shop.session(payment_intent_data={"capture_method": "manual"})
    pay(session)
    held = shop.client.v1.checkout.sessions.retrieve(session.id)
    assert (held.status, held.payment_status) == ("complete", "unpaid")
    shop.client.v1.payment_intents.capture(str(held.payment_intent))
    assert shop.client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"mode": "subscription"}, "mode"),
        ({"ui_mode": "elements"}, "ui_mode"),
        ({"line_items": []}, "line_items"),
        ({"line_items": [{"price": "price_1"}]}, "line_items[0][price]"),
        ({"line_items": [{**CART, "quantity": 0}]}, "line_items[0][quantity]"),
        ({"line_items": [{**CART, "colour": "red"}]}, "line_items[0][colour]"),
        ({"expires_at": 1}, "expires_at"),
        ({"success_url": None}, "success_url"),
        ({"client_reference_id": "x" * 201}, "client_reference_id"),
    ],
)
def test_what_a_session_cannot_be_made_of_is_named(shop: Shop, change: dict[str, Any], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.session(**change)
    assert refused.value.param == param
    assert shop.client.v1.checkout.sessions.list().data == []
