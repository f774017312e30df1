"""The adapters to Razorpay and RazorpayX: signatures by the published vectors, errors by what they mean for money."""

import json
from datetime import UTC, datetime

import httpx
import pytest
import razorpay  # type: ignore[import-untyped]  # the official SDK ships no types

from tests.parts.payments.till import Till, new_person
from tillhouse.kernel.edge import BrowserOrigin
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.money import Money
from tillhouse.kernel.outbound import NotSent, Outbound, OutcomeUnknown
from tillhouse.parts.payments.domain import Method
from tillhouse.parts.payments.ports import BadSignature, KeyRefused, OrderRequest, Refused
from tillhouse.parts.payments.providers.razorpay.afterwards import RazorpayAfterwards
from tillhouse.parts.payments.providers.razorpay.client import Places, RazorpayClient
from tillhouse.parts.payments.providers.razorpay.gateway import RazorpayGateway
from tillhouse.parts.payments.providers.razorpay.settings import RazorpaySettings
from tillhouse.parts.payments.providers.razorpayx.gateway import RazorpayXGateway
from tillhouse.parts.payments.providers.razorpayx.settings import RazorpayXSettings

ORDER, PAYMENT = "order_ABCDEFGHIJKLMN", "pay_ABCDEFGHIJKLMN"
REQUEST = OrderRequest(
    receipt="r",
    amount=Money(100, "INR"),
    method=Method.CHECKOUT,
    title="t",
    purpose="p",
    return_url="http://house/",
    expires_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def gateway(**changed: object) -> RazorpayGateway:
    settings = RazorpaySettings(**changed)  # type: ignore[arg-type]
    return RazorpayGateway(RazorpayClient(Outbound(), settings, sandbox="http://sandbox"))


def answering(status: int, body: object) -> RazorpayGateway:
    """The adapter in front of a Razorpay that always answers this."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    transport = httpx.MockTransport(lambda request: httpx.Response(status, content=content))
    outbound = Outbound(mounts={"http://sandbox": transport})
    return RazorpayGateway(RazorpayClient(outbound, RazorpaySettings(), sandbox="http://sandbox"))


def test_the_checkouts_signature_is_that_of_the_published_vector() -> None:
    known = gateway(key_secret="rzp_test_secret_0001")
    good = "b6122f29889dff5065bf9591f790d1445230024c2965bb30a73e281f80f17d6a"
    known.verify_checkout(order_id=ORDER, payment_id=PAYMENT, signature=good)
    for order, payment, signature in (
        (ORDER, PAYMENT, good.upper()),
        (PAYMENT, ORDER, good),
        (ORDER, PAYMENT + "x", good),
        (ORDER, PAYMENT, ""),
        (ORDER, PAYMENT, "ü" * 64),
    ):
        with pytest.raises(BadSignature):
            known.verify_checkout(order_id=order, payment_id=payment, signature=signature)


def test_a_webhooks_signature_is_that_of_the_published_vector() -> None:
    body = b'{"entity":"event","event":"payment.captured"}'
    headers = {"x-razorpay-signature": "3d46d610f64d10cf439d2d2e1a94d84d9d5ddd4f7c7680bc78fc9d2a2053cfad"}
    known = gateway(webhook_secrets=("the new one", "whsec_demo"))
    assert known.read_event(body, headers).name == "payment.captured"
    with pytest.raises(BadSignature):
        gateway(webhook_secrets=("another",)).read_event(body, headers)
    with pytest.raises(BadSignature):
        gateway(webhook_secrets=("",)).read_event(body, {})


async def test_the_official_sdk_reads_what_we_make_and_agrees_on_what_is_signed(till: Till) -> None:
    order = await till.order(new_person())
    proof = await till.pay(order)
    sdk = razorpay.Client(auth=("rzp_test_tillhouse", "rzp_test_secret_tillhouse"))
    assert sdk.utility.verify_payment_signature(proof)
    (event, *_) = till.webhooks("payment.captured")
    sdk.utility.verify_webhook_signature(
        event.body, event.headers["X-Razorpay-Signature"], "rzp_test_webhook_secret_tillhouse"
    )


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"error": {"code": "BAD_REQUEST_ERROR", "description": "No.", "reason": "limit"}}, Refused),
        (400, {"error": {"code": "BAD_REQUEST_ERROR", "description": None, "metadata": []}}, Refused),
        (401, b"not json", KeyRefused),
        (403, {"error": {"code": "BAD_REQUEST_ERROR", "description": "This IP is not allowed."}}, KeyRefused),
        (404, b"<html>no such page</html>", OutcomeUnknown),
        (404, {"detail": "Not Found"}, OutcomeUnknown),
        (429, {"error": {}}, TransientError),
        (409, {"error": {}}, TransientError),
        (500, {"error": {"code": "SERVER_ERROR"}}, OutcomeUnknown),
        (502, b"<html>", OutcomeUnknown),
        (200, b"half an ans", OutcomeUnknown),
        (200, {"id": "order_1"}, OutcomeUnknown),
    ],
)
async def test_an_answer_is_what_it_means_for_the_money(status: int, body: object, expected: type[Exception]) -> None:
    with pytest.raises(expected) as raised:
        await answering(status, body).create_order(REQUEST)
    assert raised.type is expected


async def test_the_providers_own_reason_is_kept() -> None:
    body = {"error": {"code": "BAD_REQUEST_ERROR", "description": "Too much.", "reason": "limit_exceeded"}}
    with pytest.raises(Refused) as refused:
        await answering(400, body).fetch_payment(PAYMENT)
    assert (refused.value.reason, refused.value.description) == ("limit_exceeded", "Too much.")


async def test_a_provider_that_cannot_be_reached_was_not_told_anything() -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    outbound = Outbound(mounts={"http://sandbox": httpx.MockTransport(nobody)})
    with pytest.raises(NotSent):
        client = RazorpayClient(outbound, RazorpaySettings(), sandbox="http://sandbox")
        await RazorpayGateway(client).find_order(REQUEST)


@pytest.mark.parametrize("identifier", ["../orders", "pay_1/capture", "pay_1?x=1", "", "pay_é"])
async def test_an_id_cannot_lead_to_another_address(identifier: str) -> None:
    with pytest.raises(Refused):
        await answering(200, {}).fetch_payment(identifier)


async def test_unknown_fields_empty_notes_and_nulls_are_read() -> None:
    body = {
        "id": PAYMENT, "amount": 100, "currency": "INR", "status": "refunded", "order_id": ORDER, "captured": True,
        "amount_refunded": 100, "notes": [], "fee": None, "tax": None, "something_new": {"a": 1},
    }  # fmt: skip
    facts = await answering(200, body).fetch_payment(PAYMENT, order_id=ORDER)
    assert (facts.state, facts.refunded, facts.order_id) == ("captured", 100, ORDER)
    uncaptured = await answering(200, {**body, "captured": False}).fetch_payment(PAYMENT, order_id=ORDER)
    assert uncaptured.state == "failed"


async def test_every_refund_is_listed_once_whatever_is_refunded_meanwhile() -> None:
    made = [
        {"id": f"rfnd_{n}", "payment_id": PAYMENT, "amount": 100 + n, "currency": "INR", "status": "processed"}
        for n in range(250)
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        skip, count = (int(request.url.params[name]) for name in ("skip", "count"))
        page = made[::-1][skip : skip + count]
        made.append({**made[0], "id": f"rfnd_{len(made)}"})
        return httpx.Response(200, json={"items": page})

    outbound = Outbound(mounts={"http://sandbox": httpx.MockTransport(answer)})
    known = RazorpayAfterwards(RazorpayClient(outbound, RazorpaySettings(), sandbox="http://sandbox"))
    found = await known.refunds_of(PAYMENT)
    assert [one.refund_id for one in found] == [f"rfnd_{n}" for n in range(250)]


def test_without_a_sandbox_the_real_addresses_are_used() -> None:
    real = RazorpayClient(Outbound(), RazorpaySettings())
    assert real.places == Places.at("https://api.razorpay.com/v1")
    assert real.places.script == "https://checkout.razorpay.com/v1/checkout.js"
    assert RazorpayXGateway(Outbound(), RazorpayXSettings())._base == "https://api.razorpay.com/v1"
    elsewhere = RazorpayXGateway(Outbound(), RazorpayXSettings(base_url="http://elsewhere/v1/"), sandbox="http://s")
    assert elsewhere._base == "http://elsewhere/v1"


async def test_pages_may_load_the_checkout_and_nothing_else(till: Till) -> None:
    origins = {(origin.directive, origin.origin) for origin in till.house.provided(BrowserOrigin)}
    directives = ("script-src", "frame-src", "connect-src", "form-action", "img-src")
    assert origins == {(directive, "http://sandbox") for directive in directives}


def test_the_seeds_names_of_secrets_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAZORPAY_KEY_ID", "rzp_live_1")
    monkeypatch.setenv("RAZORPAY_WEBHOOK_SECRET", "whsec_new,whsec_old")
    monkeypatch.setenv("RAZORPAYX_ACCOUNT_NUMBER", "1234567890")
    assert RazorpaySettings.load().key_id == "rzp_live_1"
    assert RazorpaySettings.load().webhook_secrets == ("whsec_new", "whsec_old")
    assert RazorpayXSettings.load().account_number == "1234567890"
