"""The sandbox on a real port: the official SDK with only its address changed, and faults over sockets."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import httpx
import pytest
import razorpay as sdk  # type: ignore[import-untyped]  # has no stubs
from razorpay.errors import (  # type: ignore[import-untyped]  # has no stubs
    BadRequestError,
    ServerError,
    SignatureVerificationError,
)

from tests.sandbox.conftest import Receiver
from tests.sandbox.serving import serving
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.settings import SandboxSettings


@dataclass
class Running:
    url: str
    sandbox: Sandbox
    settings: SandboxSettings


@pytest.fixture
def running(receiver: Receiver) -> Iterator[Running]:
    with serving(receiver) as web:
        settings = SandboxSettings(web=web)
        sandbox = create_sandbox(settings)
        with serving(sandbox) as url:
            yield Running(url, sandbox, settings)


@pytest.fixture
def client(running: Running) -> sdk.Client:
    auth = (running.settings.razorpay_key_id, running.settings.razorpay_key_secret)
    return sdk.Client(auth=auth, base_url=f"{running.url}/razorpay")


def test_the_official_sdk_runs_with_only_its_address_changed(client: sdk.Client, running: Running) -> None:
    order = client.order.create({"amount": 50_000, "currency": "INR", "receipt": "sdk-1", "payment_capture": 0})
    assert client.order.all({"receipt": "sdk-1"})["items"] == [order]
    assert client.order.edit(order["id"], {"notes": {"a": "b"}})["notes"] == {"a": "b"}

    answer = httpx.post(f"{running.url}/_sandbox/razorpay/orders/{order['id']}/pay", json={"method": "card"}).json()
    assert client.utility.verify_payment_signature(answer)
    with pytest.raises(SignatureVerificationError):
        client.utility.verify_payment_signature({**answer, "razorpay_payment_id": "pay_00000000000000"})

    payment_id = answer["razorpay_payment_id"]
    assert client.payment.fetch(payment_id)["status"] == "authorized"
    assert client.payment.capture(payment_id, 50_000, {"currency": "INR"})["status"] == "captured"
    assert client.order.payments(order["id"])["count"] == 1
    refund = client.payment.refund(payment_id, {"amount": 10_000})
    assert client.payment.fetch_refund_id(payment_id, refund["id"])["amount"] == 10_000
    assert client.refund.fetch(refund["id"])["payment_id"] == payment_id


def test_the_official_sdk_sees_errors_as_its_own(client: sdk.Client, running: Running) -> None:
    with pytest.raises(BadRequestError, match="amount must be at least 100"):
        client.order.create({"amount": 1, "currency": "INR"})
    with pytest.raises(BadRequestError, match="does not exist"):
        client.payment.fetch("pay_00000000000000")
    httpx.post(f"{running.url}/_sandbox/faults", json={"fault": "status_500", "path": "/v1/orders"})
    with pytest.raises(ServerError):
        client.order.all()


def test_the_official_sdk_runs_qr_codes(client: sdk.Client, running: Running) -> None:
    body = {"type": "upi_qr", "usage": "single_use", "fixed_amount": True, "payment_amount": 30_000}
    code = client.qrcode.create(body)
    assert httpx.get(code["image_url"]).content.startswith(b"\x89PNG")
    httpx.post(f"{running.url}/_sandbox/razorpay/qr_codes/{code['id']}/pay").raise_for_status()
    assert client.qrcode.fetch(code["id"])["close_reason"] == "paid"
    payments = client.qrcode.fetch_all_payments(code["id"])["items"]
    assert client.qrcode.all({"payment_id": payments[0]["id"]})["items"][0]["id"] == code["id"]
    open_code = client.qrcode.create({"type": "upi_qr", "usage": "multiple_use"})
    assert client.qrcode.close(open_code["id"])["close_reason"] == "on_demand"
    with pytest.raises(BadRequestError, match="already closed"):
        client.qrcode.close(open_code["id"])


def test_the_official_sdk_runs_payment_links_and_accepts_their_signature(client: sdk.Client, running: Running) -> None:
    customer = {"email": "gaurav@example.com", "contact": "+919000000001"}
    link = client.payment_link.create({"amount": 50_000, "reference_id": "INV-1", "customer": customer})
    assert client.payment_link.all()["payment_links"] == [link]
    assert client.payment_link.notifyBy(link["id"], "email") == {"success": True}
    assert client.payment_link.edit(link["id"], {"reference_id": "INV-2"})["reference_id"] == "INV-2"
    back = httpx.post(f"{running.url}/_sandbox/razorpay/payment_links/{link['id']}/pay").json()
    signed = {name.removeprefix("razorpay_"): value for name, value in back.items()}
    for name in ("payment_id", "signature"):
        signed[f"razorpay_{name}"] = signed.pop(name)
    assert client.utility.verify_payment_link_signature(signed)
    with pytest.raises(SignatureVerificationError):
        client.utility.verify_payment_link_signature({**signed, "payment_link_status": "partially_paid"})
    assert client.payment_link.fetch(link["id"])["status"] == "paid"
    other = client.payment_link.create({"amount": 50_000})
    assert client.payment_link.cancel(other["id"])["status"] == "cancelled"


def test_the_official_sdk_runs_refunds_disputes_and_settlements(client: sdk.Client, running: Running) -> None:
    order = client.order.create({"amount": 50_000, "currency": "INR", "payment": {"capture": "automatic"}})
    answer = httpx.post(f"{running.url}/_sandbox/razorpay/orders/{order['id']}/pay", json={}).json()
    payment_id = answer["razorpay_payment_id"]
    refund = client.payment.refund(payment_id, {"amount": 10_000, "speed": "optimum"})
    assert client.refund.edit(refund["id"], {"notes": {"a": "b"}})["speed_processed"] == "instant"
    assert client.refund.all()["items"][0]["id"] == refund["id"]

    wish = {"amount": 5_000, "deduct_at_onset": True}
    opened = httpx.post(f"{running.url}/_sandbox/razorpay/payments/{payment_id}/dispute", json=wish).json()
    assert client.dispute.all()["items"] == [opened]
    contested = client.dispute.contest(opened["id"], {"billing_proof": ["doc_1"], "action": "submit"})
    assert contested["status"] == "under_review"
    with pytest.raises(BadRequestError, match="under_review"):
        client.dispute.accept(opened["id"])
    assert client.dispute.fetch(opened["id"])["amount_deducted"] == 5_000

    made = httpx.post(f"{running.url}/_sandbox/razorpay/settlements/run").json()
    assert client.settlement.all()["items"] == [made] == [client.settlement.fetch(made["id"])]
    day = datetime.now(timezone(timedelta(hours=5, minutes=30)))
    lines = client.settlement.report({"year": day.year, "month": day.month})["items"]
    assert [line["type"] for line in lines] == ["payment", "refund", "adjustment"]
    assert sum(line["credit"] - line["debit"] for line in lines) == made["amount"] == 50_000 - 1_180 - 15_000


def test_parallel_refunds_over_sockets_never_exceed_the_payment(client: sdk.Client, running: Running) -> None:
    order = client.order.create({"amount": 10_000, "currency": "INR", "payment": {"capture": "automatic"}})
    answer = httpx.post(f"{running.url}/_sandbox/razorpay/orders/{order['id']}/pay", json={}).json()
    auth = (running.settings.razorpay_key_id, running.settings.razorpay_key_secret)
    url = f"{running.url}/razorpay/v1/payments/{answer['razorpay_payment_id']}/refund"
    with ThreadPoolExecutor(8) as people:
        statuses = list(people.map(lambda _: httpx.post(url, json={"amount": 3_000}, auth=auth).status_code, range(8)))
    assert (statuses.count(200), statuses.count(400)) == (3, 5)
    assert client.payment.fetch(answer["razorpay_payment_id"])["amount_refunded"] == 9_000


def test_webhooks_follow_by_themselves_and_the_sdk_accepts_their_signature(
    client: sdk.Client, running: Running, receiver: Receiver
) -> None:
    order = client.order.create({"amount": 100, "currency": "INR", "payment": {"capture": "automatic"}})
    httpx.post(f"{running.url}/_sandbox/razorpay/orders/{order['id']}/pay", json={})
    assert all(receiver.arrived.acquire(timeout=20) for _ in range(3))
    secret = running.settings.razorpay_webhook_secret
    assert sorted(receiver.events) == ["order.paid", "payment.authorized", "payment.captured"]
    for taken in receiver.taken:
        assert client.utility.verify_webhook_signature(
            taken.body.decode(), taken.headers["x-razorpay-signature"], secret
        )


@pytest.mark.parametrize(("fault", "made"), [("timeout_before", 0), ("timeout_after", 1)])
def test_a_held_answer_outlasts_the_clients_patience(running: Running, fault: str, made: int) -> None:
    httpx.post(f"{running.url}/_sandbox/faults", json={"fault": fault, "path": "/v1/orders"})
    auth = (running.settings.razorpay_key_id, running.settings.razorpay_key_secret)
    order = {"amount": 100, "currency": "INR"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{running.url}/razorpay/v1/orders", json=order, auth=auth, timeout=0.3)
    assert httpx.get(f"{running.url}/razorpay/v1/orders", auth=auth).json()["count"] == made


def test_a_held_answer_ends_in_504(running: Running) -> None:
    fault = {"fault": "timeout_before", "path": "/v1/orders", "seconds": 0.05}
    httpx.post(f"{running.url}/_sandbox/faults", json=fault)
    assert httpx.get(f"{running.url}/razorpay/v1/orders").status_code == 504


def test_a_cut_answer_breaks_off(running: Running) -> None:
    httpx.post(f"{running.url}/_sandbox/faults", json={"fault": "cut_stream", "path": "/v1/orders"})
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{running.url}/razorpay/v1/orders")
