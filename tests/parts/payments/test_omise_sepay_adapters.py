"""The adapters to Omise and SePay: signatures and codes by the published vectors, errors by what they mean."""

import hashlib
import json
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest

from tillhouse.kernel import clock
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.money import Money
from tillhouse.kernel.outbound import Outbound, OutcomeUnknown
from tillhouse.parts.payments.domain import Method, OrderState, PayoutState, ThaiBankAccount
from tillhouse.parts.payments.domain.amounts import Amounts
from tillhouse.parts.payments.ports import BadSignature, CheckoutForm, CheckoutQr, OrderRequest, Payee, Refused
from tillhouse.parts.payments.providers.omise.client import OmiseClient
from tillhouse.parts.payments.providers.omise.gateway import OmiseGateway
from tillhouse.parts.payments.providers.omise.payouts import OmiseTransfers
from tillhouse.parts.payments.providers.omise.settings import OmiseSettings
from tillhouse.parts.payments.providers.sepay.client import SepayClient
from tillhouse.parts.payments.providers.sepay.gateway import SepayGateway, form_signature
from tillhouse.parts.payments.providers.sepay.settings import SepaySettings

AT = "1700000000"
FEES = Amounts.of(THB="30.00")
OMISE_BODY = b'{"object":"event","key":"charge.complete"}'
OMISE_SECRET = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OMISE_VECTOR = "9589bc163eb2e8a7a228cc05fdd6530cec23423791a98edffc61704551d837b8"
SEPAY_BODY = b'{"id":1,"transferType":"in","transferAmount":50000}'
SEPAY_VECTOR = "sha256=a236704b7063f7eb4c08fbba8f6512cc0534e54e1f0efdcfde7488d544c68b41"


def order(method: Method, unit: str, **changed: object) -> OrderRequest:
    fields: dict[str, object] = {
        "receipt": uuid4().hex, "amount": Money(100_000, unit), "method": method, "title": "A plan", "purpose": "p",
        "return_url": "https://house/back", "expires_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    return OrderRequest(**{**fields, **changed})  # type: ignore[arg-type]


def omise_client(answers: dict[str, object] | None = None, status: int = 200, **changed: object) -> OmiseClient:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=(answers or {}).get(f"{request.method} {request.url.path}", {}))

    outbound = Outbound(mounts={"http://sandbox": httpx.MockTransport(answer)})
    return OmiseClient(outbound, OmiseSettings(**changed), sandbox="http://sandbox")  # type: ignore[arg-type]


def sepay(content: bytes = b"{}", status: int = 200, **changed: object) -> SepayGateway:
    settings = SepaySettings(**changed)  # type: ignore[arg-type]
    transport = httpx.MockTransport(lambda request: httpx.Response(status, content=content))
    outbound = Outbound(mounts={"http://sandbox": transport})
    return SepayGateway(SepayClient(outbound, settings, sandbox="http://sandbox"), settings)


@pytest.fixture
def then(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the moment at which the published vectors were signed."""
    monkeypatch.setattr(clock, "now", lambda: datetime.fromtimestamp(int(AT), UTC))


@pytest.mark.usefixtures("then")
@pytest.mark.parametrize(
    ("signature", "at", "accepted"),
    [
        (OMISE_VECTOR, AT, True),
        (f"{'0' * 64},{OMISE_VECTOR}", AT, True),
        (OMISE_VECTOR.upper(), AT, False),
        (OMISE_VECTOR, "1700000001", False),
        (OMISE_VECTOR, "1699990000", False),
        (OMISE_VECTOR, "", False),
        ("ü", "²", False),
        ("", AT, False),
    ],
)
def test_omises_event_is_read_only_with_the_vectors_signature(signature: str, at: str, accepted: bool) -> None:
    client = omise_client(webhook_secrets=("bmV3", OMISE_SECRET))
    with pytest.raises(BadSignature, match="not an event" if accepted else "signature"):
        client.read_event(OMISE_BODY, {"omise-signature": signature, "omise-signature-timestamp": at})


@pytest.mark.usefixtures("then")
def test_sepays_transfer_is_read_with_the_vectors_signature_or_with_its_key() -> None:
    gateway = sepay(webhook_secrets=("sepay_secret",), api_keys=("k1",))
    signed = {"x-sepay-signature": SEPAY_VECTOR, "x-sepay-timestamp": AT}
    assert gateway.read_event(SEPAY_BODY, signed).transfer_id == "1"
    assert gateway.read_event(SEPAY_BODY, {"authorization": "Apikey k1"}).transfer_id == "1"
    for headers in (
        {**signed, "x-sepay-timestamp": "1700000001"},
        {"x-sepay-signature": "sha256=", "x-sepay-timestamp": AT, "authorization": "Apikey k1"},
        {"authorization": "Apikey k2"},
        {"authorization": "apikey k1"},
        {},
    ):
        with pytest.raises(BadSignature):
            gateway.read_event(SEPAY_BODY, headers)


def test_without_a_key_set_up_no_key_is_accepted() -> None:
    with pytest.raises(BadSignature):
        sepay(api_keys=("",)).read_event(SEPAY_BODY, {"authorization": "Apikey "})
    with pytest.raises(BadSignature, match="signature"):
        sepay(secret_key="").read_event(SEPAY_BODY, {"x-secret-key": ""})


def test_an_order_notice_of_sepay_needs_its_secret() -> None:
    payment = {
        "id": "9",
        "transaction_type": "PAYMENT",
        "transaction_status": "APPROVED",
        "transaction_amount": "100000",
    }
    about = {"order_invoice_number": "INV1", "order_amount": "100000.00"}
    body = json.dumps({"notification_type": "ORDER_PAID", "order": about, "transaction": payment}).encode()
    event = sepay(secret_key="s1").read_event(body, {"x-secret-key": "s1"})
    assert (event.order_id, event.payment_id, event.amount) == ("INV1", "INV1-9", Money(100_000, "VND"))
    for secret in ("s2", "", "ü"):
        with pytest.raises(BadSignature):
            sepay(secret_key="s1").read_event(body, {"x-secret-key": secret})


_DEEP = b"[" * 100_000  # what Python's own reader ends with a RecursionError


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"\xff", b'{"id":1}', b'{"id":1,"transferType":"sideways"}', _DEEP]
)
def test_what_is_no_event_is_refused_not_crashed_on(body: bytes) -> None:
    with pytest.raises(BadSignature):
        sepay(api_keys=("k1",)).read_event(body, {"authorization": "Apikey k1"})


def test_nothing_is_read_of_what_has_no_proof() -> None:
    for headers in ({}, {"x-secret-key": "s2"}, {"authorization": "Apikey k2"}):
        with pytest.raises(BadSignature, match="signature"):
            sepay(api_keys=("k1",), secret_key="s1").read_event(_DEEP, headers)


def test_sepays_form_is_signed_as_the_official_sdk_signs() -> None:
    fields = [
        ("merchant", "SP-TEST-0001"),
        ("operation", "PURCHASE"),
        ("payment_method", "BANK_TRANSFER"),
        ("order_amount", "100000"),
        ("currency", "VND"),
        ("order_invoice_number", "INV-1"),
        ("order_description", "Test order"),
        ("success_url", "https://example.com/ok"),
    ]
    assert form_signature("spsk_test_secret", fields) == "HVKLNtyFoO7KTHay75fVqf0ojWETgjSt7SVvU8jUcbM="


async def test_an_order_by_transfer_shows_its_code_and_asks_nobody() -> None:
    made = await sepay(status=500).create_order(order(Method.BANK_TRANSFER, "VND", code="TH7K2M9Q4PX"))
    assert made.order_id == "TH7K2M9Q4PX"
    assert isinstance(made.checkout, CheckoutQr)
    assert made.checkout.text
    assert "TH7K2M9Q4PX" in made.checkout.text
    assert ("Write exactly this", "TH7K2M9Q4PX") in made.checkout.lines


async def test_an_order_of_the_payment_gateway_is_a_signed_form() -> None:
    wish = order(Method.CHECKOUT, "VND")
    made = await sepay(status=500).create_order(wish)
    assert made.order_id == wish.receipt
    assert isinstance(made.checkout, CheckoutForm)
    *signed, (name, signature) = made.checkout.fields
    assert (name, signature) == ("signature", form_signature("spsk_test_tillhouse", signed))


@pytest.mark.parametrize("status", ["CANCELLED", "AUTHENTICATION_NOT_NEEDED"])
async def test_an_approved_payment_of_an_order_that_is_not_captured_is_not_paid(status: str) -> None:
    payment = {"id": "1", "transaction_type": "PAYMENT", "transaction_status": "APPROVED", "transaction_amount": "9"}
    data = {"order_invoice_number": "i1", "order_status": status, "order_amount": "9.00", "transactions": [payment]}
    (facts,) = await sepay(json.dumps({"data": data}).encode()).payments_of("i1")
    assert facts.state == OrderState.PENDING


@pytest.mark.parametrize("amount", ["0.50", "abc", None])
async def test_half_a_dong_is_not_understood(amount: str | None) -> None:
    line = {
        "id": "1",
        "account_number": "a",
        "transaction_date": "2026-01-01 10:00:00",
        "amount_in": amount,
        "amount_out": "0",
    }
    with pytest.raises(OutcomeUnknown):
        await sepay(json.dumps({"transaction": line}).encode()).fetch_transfer("1")


async def test_a_transfers_time_is_vietnams() -> None:
    line = {
        "id": 7, "account_number": "a", "transaction_date": "2026-01-01 06:30:00", "amount_in": "50000.00",
        "amount_out": "0.00", "transaction_content": "TH", "code": None,
    }  # fmt: skip
    facts = await sepay(json.dumps({"transaction": line}).encode()).fetch_transfer("7")
    assert facts.at.astimezone(UTC) == datetime(2025, 12, 31, 23, 30, tzinfo=UTC)
    assert (facts.direction, facts.amount) == ("in", Money(50_000, "VND"))


CHARGE = {"id": "chrg_1", "amount": 10_000, "currency": "thb", "status": "pending", "metadata": {}}


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"status": "pending"}, OrderState.PENDING),
        ({"status": "pending", "authorized": True, "capturable": True}, OrderState.AUTHORIZED),
        ({"status": "successful", "paid": True}, OrderState.CAPTURED),
        ({"status": "successful", "paid": False}, OrderState.PENDING),
        ({"status": "failed", "failure_code": "insufficient_fund"}, OrderState.FAILED),
        ({"status": "expired"}, OrderState.FAILED),
        ({"status": "reversed"}, OrderState.FAILED),
        ({"status": "unknown"}, OrderState.PENDING),
    ],
)
async def test_a_charge_is_paid_only_when_omise_says_so_twice(told: dict[str, object], state: OrderState) -> None:
    gateway = OmiseGateway(omise_client({"GET /charges/chrg_1": {**CHARGE, **told}}), "pkey")
    assert (await gateway.fetch_payment("chrg_1")).state == state


@pytest.mark.parametrize("changed", [{"method": Method.CARD}, {"method": Method.MOBILE_BANKING, "bank": "scb&x=1"}])
async def test_an_incomplete_order_is_refused_before_it_is_sent(changed: dict[str, object]) -> None:
    method = changed.pop("method")
    assert isinstance(method, Method)
    with pytest.raises(Refused):
        await OmiseGateway(omise_client(), "pkey").create_order(order(method, "THB", **changed))


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({}, PayoutState.PROCESSING),
        ({"sent": True}, PayoutState.PROCESSING),
        ({"sent": True, "paid": True}, PayoutState.PROCESSED),
        ({"failure_code": "invalid_account"}, PayoutState.FAILED),
        ({"sent": True, "paid": True, "failure_code": "account_closed"}, PayoutState.REVERSED),
        ({"deleted": True}, PayoutState.CANCELLED),
    ],
)
async def test_a_transfers_flags_make_one_state(told: dict[str, object], state: PayoutState) -> None:
    transfer = {"id": "trsf_1", "amount": 5_000, "currency": "THB", "metadata": {"reference": "r"}, **told}
    facts = await OmiseTransfers(omise_client({"GET /transfers/trsf_1": transfer}), FEES).fetch_payout("trsf_1")
    assert (facts.state, facts.reference) == (state, "r")


def test_fees_are_said_by_currency_and_those_not_named_stay() -> None:
    said = OmiseSettings(transfer_fees='{"USD": "1.50"}')  # type: ignore[arg-type]  # as an environment has it
    assert said.transfer_fees.minor == {"THB": 30_00, "USD": 1_50}
    with pytest.raises(ValueError, match="THB"):
        OmiseSettings(transfer_fees="25")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "promised", "fee", "arrives"),
    [
        (
            {"metadata": {"reference": "r", "fee": "2500"}, "fee": 2_336, "fee_vat": 164, "net": 5_000},
            5_000,
            2_500,
            5_000,
        ),
        ({"metadata": {"reference": "r", "fee": "2500"}, "fee": 2_804, "fee_vat": 196}, 5_000, 2_500, 4_500),
        ({"metadata": {"reference": "r"}, "fee": 2_336, "fee_vat": 164, "net": 5_000}, 7_500, None, 5_000),
        ({"metadata": {"reference": "r", "fee": "2500"}}, 5_000, 2_500, None),
        ({"metadata": {"reference": "r", "fee": "2500"}, "fee": 0, "net": 7_500, "sent": False}, 5_000, 2_500, None),
        ({"metadata": {"reference": "r", "fee": "-2500"}}, 7_500, None, None),
        ({"metadata": {"reference": "r", "fee": "9" * 5_000}}, 7_500, None, None),
    ],
)
async def test_what_was_promised_is_what_the_transfer_notes_whatever_the_fee_is_today(
    told: dict[str, object], promised: int, fee: int | None, arrives: int | None
) -> None:
    transfer = {"id": "trsf_1", "amount": 7_500, "currency": "THB", "sent": True, **told}
    facts = await OmiseTransfers(omise_client({"GET /transfers/trsf_1": transfer}), FEES).fetch_payout("trsf_1")
    assert (facts.amount.minor, facts.fee) == (promised, fee)
    assert facts.arrives == (None if arrives is None else Money(arrives, "THB"))


async def test_a_payout_waits_for_an_account_that_is_being_verified_and_none_is_sent() -> None:
    made = {"id": "recp_1", "verified": False}
    answers: dict[str, object] = {"GET /recipients": {"data": [], "total": 0}, "POST /recipients": made}
    to = ThaiBankAccount("Somchai", "kbank", "1234567890")
    with pytest.raises(TransientError) as waits:
        await OmiseTransfers(omise_client(answers), FEES).create_payout(
            key=uuid4(), amount=Money(5_000, "THB"), to=to, payee=Payee("Somchai", "p1")
        )
    assert waits.type is TransientError


ACCOUNT = ThaiBankAccount("Somchai", "kbank", "1234567890")
OURS = {"reference": f"p1:{hashlib.sha256(b'kbank:1234567890').hexdigest()[:32]}"}
READY = {"id": "recp_1", "verified": True, "active": True, "metadata": OURS}
SENT = {"id": "trsf_2", "amount": 5_000, "currency": "THB", "recipient": "recp_1"}


class Books:
    """Omise with `recipients`, which writes down what it is asked."""

    def __init__(self, answers: dict[str, object]) -> None:
        self.answers, self.asked = answers, list[httpx.URL]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        known = self.answers.get(f"{request.method} {request.url.path}")
        refused = {"object": "error", "code": "not_found", "message": "none"}
        return httpx.Response(200 if known else 404, json=known or refused)

    async def pay(self, payee: Payee) -> list[str]:
        """Pay out; the paths that were asked for."""
        outbound = Outbound(mounts={"http://sandbox": httpx.MockTransport(self)})
        transfers = OmiseTransfers(OmiseClient(outbound, OmiseSettings(), sandbox="http://sandbox"), FEES)
        await transfers.create_payout(key=uuid4(), amount=Money(5_000, "THB"), to=ACCOUNT, payee=payee)
        return [url.path for url in self.asked]


@pytest.mark.parametrize(
    ("payee", "asked"),
    [
        (Payee("Somchai", "p1", account_id="recp_1"), ["recipients/recp_1"]),
        (Payee("Somchai", "p1", paid_before="trsf_1"), ["transfers/trsf_1", "recipients/recp_1"]),
        (
            Payee("Somchai", "p1", account_id="recp_0", paid_before="trsf_1"),
            ["recipients/recp_0", "transfers/trsf_1", "recipients/recp_1"],
        ),
    ],
)
async def test_a_recipient_that_is_known_is_read_and_none_is_listed(payee: Payee, asked: list[str]) -> None:
    answers: dict[str, object] = {"GET /recipients/recp_1": READY, "GET /transfers/trsf_1": SENT}
    answers["POST /transfers"] = SENT
    assert await Books(answers).pay(payee) == [*(f"/{path}" for path in asked), "/transfers"]


async def test_recipients_are_listed_from_when_the_account_was_known_and_only_until_theirs_is_found() -> None:
    page = {"data": [{"id": "recp_0"}, READY], "total": 5_000}
    books = Books({"GET /recipients": page, "POST /transfers": SENT})
    since = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    assert await books.pay(Payee("Somchai", "p1", since=since)) == ["/recipients", "/transfers"]
    query = books.asked[0].params
    assert (query["from"], query["order"], query["offset"]) == ("2026-03-02T08:30:00Z", "chronological", "0")


async def test_another_persons_recipient_of_the_same_account_is_not_paid() -> None:
    """What we were told is its name is only believed when it carries our own name of it."""
    theirs = {**READY, "metadata": {"reference": "p2:other"}}
    answers: dict[str, object] = {
        "GET /recipients/recp_9": theirs, "GET /recipients": {"data": [], "total": 0},
        "POST /recipients": READY, "POST /transfers": SENT,
    }  # fmt: skip
    asked = await Books(answers).pay(Payee("Somchai", "p1", account_id="recp_9"))
    assert asked == ["/recipients/recp_9", "/recipients", "/recipients", "/transfers"]


async def test_a_transfer_is_looked_for_from_when_it_was_first_sent() -> None:
    key, since = uuid4(), datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    page = {"data": [{**SENT, "metadata": {"reference": str(key)}}], "total": 5_000}
    books = Books({"GET /transfers": page})
    outbound = Outbound(mounts={"http://sandbox": httpx.MockTransport(books)})
    transfers = OmiseTransfers(OmiseClient(outbound, OmiseSettings(), sandbox="http://sandbox"), FEES)
    found = await transfers.find_payout(key, since=since)
    assert found
    assert (found.payout_id, found.reference) == ("trsf_2", str(key))
    assert [url.params["from"] for url in books.asked] == ["2026-03-02T08:30:00Z"]
