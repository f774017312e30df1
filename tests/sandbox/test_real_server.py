"""The sandbox on a real port: the official SDK with only its address changed, and faults over sockets."""

from collections.abc import Iterator
from dataclasses import dataclass

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
