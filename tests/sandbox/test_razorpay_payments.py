import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Receiver
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings

AUTOMATIC = {"capture": "automatic", "capture_options": {"automatic_expiry_period": 12, "manual_expiry_period": 60}}


async def order_of(razorpay: httpx.AsyncClient, amount: int = 10_000, **extra: Any) -> dict[str, Any]:
    order: dict[str, Any] = (await razorpay.post("/orders", json={"amount": amount, "currency": "INR", **extra})).json()
    return order


async def pay(person: httpx.AsyncClient, order: dict[str, Any], **how: Any) -> dict[str, Any]:
    response = await person.post(f"/_sandbox/razorpay/orders/{order['id']}/pay", json=how)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_paying_hands_back_the_three_signed_fields(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, settings: SandboxSettings
) -> None:
    order = await order_of(razorpay)
    answer = await pay(person, order, method="upi", outcome="success")

    assert set(answer) == {"razorpay_payment_id", "razorpay_order_id", "razorpay_signature"}
    message = f"{order['id']}|{answer['razorpay_payment_id']}"
    expected = hmac.new(settings.razorpay_key_secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    assert answer["razorpay_signature"] == expected


async def test_an_automatic_order_is_captured_with_fee_and_tax_and_three_events(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    order = await order_of(razorpay, payment=AUTOMATIC)
    answer = await pay(person, order)

    payment = (await razorpay.get(f"/payments/{answer['razorpay_payment_id']}")).json()
    assert (payment["status"], payment["captured"], payment["fee"], payment["tax"]) == ("captured", True, 236, 36)
    assert payment["vpa"] == payment["upi"]["vpa"] == "success@razorpay"
    assert set(payment["acquirer_data"]) == {"rrn", "upi_transaction_id"}
    paid = (await razorpay.get(f"/orders/{order['id']}")).json()
    assert (paid["status"], paid["amount_paid"], paid["amount_due"], paid["attempts"]) == ("paid", 10_000, 0, 1)

    assert receiver.taken == []
    await sandbox.deliver_due()
    assert receiver.events == ["payment.authorized", "payment.captured", "order.paid"]
    assert {taken.path for taken in receiver.taken} == {"/api/v1/payments/webhook/razorpay"}


async def test_webhooks_have_razorpays_envelope_and_signature(
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    receiver: Receiver,
    settings: SandboxSettings,
) -> None:
    order = await order_of(razorpay, payment=AUTOMATIC)
    await pay(person, order)
    await sandbox.deliver_due()

    paid = receiver.taken[-1]
    body = json.loads(paid.body)
    assert set(body) == {"entity", "account_id", "event", "contains", "payload", "created_at"}
    assert body["contains"] == ["payment", "order"] == list(body["payload"])
    assert body["payload"]["order"]["entity"]["id"] == order["id"]
    secret = settings.razorpay_webhook_secret.encode()
    assert paid.headers["x-razorpay-signature"] == hmac.new(secret, paid.body, hashlib.sha256).hexdigest()
    assert len({taken.headers["x-razorpay-event-id"] for taken in receiver.taken}) == 3


async def test_a_manual_order_waits_for_a_capture_of_the_exact_amount(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    order = await order_of(razorpay)
    payment_id = (await pay(person, order))["razorpay_payment_id"]
    payment = (await razorpay.get(f"/payments/{payment_id}")).json()
    assert (payment["status"], payment["fee"], payment["tax"]) == ("authorized", None, None)

    wrong = await razorpay.post(f"/payments/{payment_id}/capture", json={"amount": 9_999, "currency": "INR"})
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (400, "amount")
    right = await razorpay.post(f"/payments/{payment_id}/capture", json={"amount": 10_000, "currency": "INR"})
    assert (right.status_code, right.json()["status"]) == (200, "captured")
    again = await razorpay.post(f"/payments/{payment_id}/capture", json={"amount": 10_000, "currency": "INR"})
    assert again.status_code == 400

    await sandbox.deliver_due()
    assert receiver.events == ["payment.authorized", "payment.captured", "order.paid"]


async def test_a_failed_payment_says_why_and_leaves_the_order_open(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    order = await order_of(razorpay)
    answer = await pay(person, order, outcome="failure")

    error = answer["error"]
    assert set(error) == {"code", "description", "source", "step", "reason", "metadata"}
    assert error["metadata"]["order_id"] == order["id"]
    payments = (await razorpay.get(f"/orders/{order['id']}/payments")).json()["items"]
    assert [(p["status"], p["error_source"], p["error_step"], p["error_reason"]) for p in payments] == [
        ("failed", "bank", "payment_authorization", "payment_failed")
    ]
    assert (await razorpay.get(f"/orders/{order['id']}")).json()["status"] == "attempted"
    await sandbox.deliver_due()
    assert receiver.events == ["payment.failed"]


async def test_an_abandoned_checkout_leaves_no_trace(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    order = await order_of(razorpay)
    await pay(person, order, outcome="abandoned")
    await sandbox.deliver_due()

    assert (await razorpay.get(f"/orders/{order['id']}")).json()["status"] == "created"
    assert (await razorpay.get("/payments")).json()["count"] == 0
    assert receiver.taken == []


async def test_a_late_success_fails_first_and_is_authorized_and_captured_later(
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    receiver: Receiver,
    clock: ManualClock,
) -> None:
    order = await order_of(razorpay, payment=AUTOMATIC)
    answer = await pay(person, order, outcome="late_success")
    payment_id = answer["error"]["metadata"]["payment_id"]
    await sandbox.deliver_due()
    assert receiver.events == ["payment.failed"]

    clock.advance(300 / 60)
    await sandbox.deliver_due()
    assert receiver.events == ["payment.failed", "payment.authorized", "payment.captured", "order.paid"]
    payment = (await razorpay.get(f"/payments/{payment_id}")).json()
    assert (payment["status"], payment["error_code"]) == ("captured", None)


async def test_a_late_success_on_an_order_paid_meanwhile_is_not_captured(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, clock: ManualClock
) -> None:
    order = await order_of(razorpay, payment=AUTOMATIC)
    late = (await pay(person, order, outcome="late_success"))["error"]["metadata"]["payment_id"]
    await pay(person, order)
    clock.advance(5)
    await sandbox.deliver_due()
    assert (await razorpay.get(f"/payments/{late}")).json()["status"] == "authorized"
    assert (await razorpay.get(f"/orders/{order['id']}")).json()["amount_paid"] == 10_000


async def test_a_success_after_the_automatic_period_waits_for_our_own_capture(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    order = await order_of(razorpay, payment=AUTOMATIC)
    await pay(person, order, outcome="late_success", late_after=13 * 60)
    clock.advance(13)
    await sandbox.deliver_due()
    assert receiver.events == ["payment.failed", "payment.authorized"]


async def test_uncaptured_money_goes_back_by_itself(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    rule = {"capture": "manual", "capture_options": {"manual_expiry_period": 60}}
    order = await order_of(razorpay, payment=rule)
    payment_id = (await pay(person, order))["razorpay_payment_id"]
    clock.advance(61)
    await sandbox.deliver_due()
    clock.advance(3)
    await sandbox.deliver_due()

    payment = (await razorpay.get(f"/payments/{payment_id}")).json()
    assert (payment["status"], payment["captured"], payment["refund_status"]) == ("refunded", False, "full")
    assert receiver.events == ["payment.authorized", "refund.created", "refund.processed"]


async def test_a_paid_order_cannot_be_paid_again(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    order = await order_of(razorpay, payment=AUTOMATIC)
    await pay(person, order)
    again = await person.post(f"/_sandbox/razorpay/orders/{order['id']}/pay", json={})
    assert again.status_code == 400
    assert (await razorpay.get("/payments")).json()["count"] == 1


async def test_a_payment_of_a_foreign_amount_can_be_made_to_see_it_refused(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    order = await order_of(razorpay)
    answer = await pay(person, order, amount=1, currency="USD")
    payment = (await razorpay.get(f"/payments/{answer['razorpay_payment_id']}")).json()
    assert (payment["amount"], payment["currency"]) == (1, "USD")


@pytest.mark.parametrize("method", ["card", "netbanking", "wallet", "upi"])
async def test_each_method_fills_its_own_fields(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, method: str
) -> None:
    order = await order_of(razorpay)
    answer = await pay(person, order, method=method)
    payment = (await razorpay.get(f"/payments/{answer['razorpay_payment_id']}")).json()
    own = {"card": "card_id", "netbanking": "bank", "wallet": "wallet", "upi": "vpa"}
    assert {name for name in own.values() if payment[name]} == {own[method]}
    assert ("card" in payment, "upi" in payment) == (method == "card", method == "upi")


async def test_a_refund_is_pending_then_processed(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    order = await order_of(razorpay, payment=AUTOMATIC)
    payment_id = (await pay(person, order))["razorpay_payment_id"]
    await sandbox.deliver_due()
    receiver.taken.clear()

    refund = (await razorpay.post(f"/payments/{payment_id}/refund", json={"amount": 4_000})).json()
    assert (refund["status"], refund["amount"], refund["notes"]) == ("pending", 4_000, [])
    payment = (await razorpay.get(f"/payments/{payment_id}")).json()
    assert (payment["status"], payment["refund_status"], payment["amount_refunded"]) == ("captured", "partial", 4_000)
    clock.advance(3)
    await sandbox.deliver_due()
    assert (await razorpay.get(f"/refunds/{refund['id']}")).json()["status"] == "processed"
    assert receiver.events == ["refund.created", "refund.processed"]

    rest = (await razorpay.post(f"/payments/{payment_id}/refund")).json()
    assert rest["amount"] == 6_000
    payment = (await razorpay.get(f"/payments/{payment_id}")).json()
    assert (payment["status"], payment["refund_status"]) == ("refunded", "full")
    assert (await razorpay.get(f"/payments/{payment_id}/refunds")).json()["count"] == 2


async def test_a_refund_key_makes_one_refund(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    order = await order_of(razorpay, payment=AUTOMATIC)
    url = f"/payments/{(await pay(person, order))['razorpay_payment_id']}/refund"
    key = {"X-Refund-Idempotency": "refund-key-1"}

    first = await razorpay.post(url, json={"amount": 1_000}, headers=key)
    second = await razorpay.post(url, json={"amount": 1_000}, headers=key)
    assert first.json() == second.json()
    assert (await razorpay.post(url, json={"amount": 2_000}, headers=key)).status_code == 400
    assert (await razorpay.post(url, headers={"X-Refund-Idempotency": "short"})).status_code == 400
    assert (await razorpay.post(url, json={"amount": 9_001})).status_code == 400
    assert (await razorpay.get("/refunds")).json()["count"] == 1


async def test_a_failed_refund_gives_the_payment_its_money_back(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    order = await order_of(razorpay, payment=AUTOMATIC)
    payment_id = (await pay(person, order))["razorpay_payment_id"]
    refund = (await razorpay.post(f"/payments/{payment_id}/refund")).json()

    failed = await person.post(f"/_sandbox/razorpay/refunds/{refund['id']}/fail")
    assert failed.json()["status"] == "failed"
    payment = (await razorpay.get(f"/payments/{payment_id}")).json()
    assert (payment["status"], payment["refund_status"], payment["amount_refunded"]) == ("captured", None, 0)
    assert (await person.post(f"/_sandbox/razorpay/refunds/{refund['id']}/process")).status_code == 409
