"""The adapters to Stripe: signatures by the published vector, errors by what they mean for money."""

import json
from datetime import UTC, datetime

import httpx
import pytest
import stripe

from tillhouse.kernel import clock
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.money import Money
from tillhouse.kernel.outbound import NotSent, Outbound, OutcomeUnknown
from tillhouse.parts.payments.ports import BadSignature, KeyRefused, Refused
from tillhouse.parts.payments.providers.stripe.client import StripeClient
from tillhouse.parts.payments.providers.stripe.connect import StripeConnect
from tillhouse.parts.payments.providers.stripe.gateway import StripeGateway
from tillhouse.parts.payments.providers.stripe.settings import StripeSettings

PAYMENT = "pi_ABCDEFGHIJKLMN"
VECTOR = "74badbae176fbe5058261fff17f3c09a223b3a978c5950a14dc086affd2b3c37"
SIGNED_AT = datetime.fromtimestamp(1_700_000_000, UTC)


def client(transport: httpx.AsyncBaseTransport | None = None, **changed: object) -> StripeClient:
    outbound = Outbound(mounts={"http://sandbox": transport} if transport else None)
    return StripeClient(outbound, StripeSettings(**changed), sandbox="http://sandbox")  # type: ignore[arg-type]


def answering(status: int, body: object) -> StripeGateway:
    """The adapter in front of a Stripe that always answers this."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return StripeGateway(client(httpx.MockTransport(lambda request: httpx.Response(status, content=content))))


@pytest.fixture
def then(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the moment at which the published vector was signed."""
    monkeypatch.setattr(clock, "now", lambda: SIGNED_AT)


@pytest.mark.usefixtures("then")
@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (f"t=1700000000,v1={VECTOR}", True),
        (f"t=1700000000,v1={'0' * 64},v1={VECTOR},v0=old", True),
        (f"t=1700000001,v1={VECTOR}", False),
        (f"t=1700000000,v0={VECTOR}", False),
        (f"t=1700000000,v1={VECTOR.upper()}", False),
        (f"t=1699999000,v1={VECTOR}", False),
        (f"v1={VECTOR}", False),
        ("t=,v1=", False),
        ("t=²,v1=ü", False),
        ("", False),
    ],
)
def test_a_webhook_is_read_only_with_the_published_vectors_signature(header: str, accepted: bool) -> None:
    body = b'{"id":"evt_1","object":"event"}'
    gateway = StripeGateway(client(webhook_secrets=("the new one", "whsec_demo")))
    # The vector's body is signed but not a whole event: only its signature passes.
    expected = "not an event" if accepted else "signature"
    with pytest.raises(BadSignature, match=expected):
        gateway.read_event(body, {"stripe-signature": header})


def test_what_the_official_sdk_signs_is_read() -> None:
    about = {"id": PAYMENT, "object": "payment_intent", "amount": 500, "currency": "thb", "metadata": {"receipt": "r1"}}
    event = {"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "data": {"object": about}}
    body = json.dumps(event)
    header = stripe.WebhookSignature.generate_signature_header(body, "whsec_demo")
    read = StripeGateway(client(webhook_secrets=("whsec_demo",))).read_event(
        body.encode(), {"stripe-signature": header}
    )
    assert (read.event_id, read.payment_id, read.receipt, read.amount) == ("evt_1", PAYMENT, "r1", Money(500, "THB"))


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (402, {"error": {"type": "card_error", "code": "card_declined", "decline_code": "generic_decline"}}, Refused),
        (400, {"error": {"type": "idempotency_error", "message": "other parameters"}}, Refused),
        (401, b"not json", KeyRefused),
        (403, {"error": {"type": "invalid_request_error", "message": "The key may not do this."}}, KeyRefused),
        (404, b"<html>no such page</html>", OutcomeUnknown),
        (409, {"error": {"code": "lock_timeout"}}, TransientError),
        (429, {"error": {}}, TransientError),
        (500, {"error": {"type": "api_error"}}, OutcomeUnknown),
        (200, b"half an ans", OutcomeUnknown),
        (200, {"id": "pi_1"}, OutcomeUnknown),
    ],
)
async def test_an_answer_is_what_it_means_for_the_money(status: int, body: object, expected: type[Exception]) -> None:
    with pytest.raises(expected) as raised:
        await answering(status, body).payments_of(PAYMENT)
    assert raised.type is expected


async def test_a_stripe_that_cannot_be_reached_was_not_told_anything() -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(NotSent):
        await StripeConnect(client(httpx.MockTransport(nobody))).fetch_payout("tr_1")


@pytest.mark.parametrize("identifier", ["../refunds", "pi_1/capture", "pi_1?x=1", "", "pi_é"])
async def test_an_id_cannot_lead_to_another_address(identifier: str) -> None:
    with pytest.raises(Refused):
        await answering(200, {}).fetch_refund(refund_id=identifier, payment_id=PAYMENT)
