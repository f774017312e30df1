"""The JSON endpoints, as a phone, a member of staff and a machine call them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import httpx
import pyotp
import pytest
from sqlalchemy import text

from tests.parts.documents.reading import squeezed, text_of
from tests.parts.payments.till import Till, open_till
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.db import Session
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import PersonRole, parse_identifier
from tillhouse.parts.identity.models import PersonRow
from tillhouse.parts.identity.service import machines, people, sessions

VPA = {"type": "vpa", "vpa": "success@razorpay"}


@dataclass
class Caller:
    """Someone who calls the API. Each POST has a new key unless one is given."""

    till: Till
    id: UUID | None
    token: str | None
    keys: int = 0

    async def post(self, path: str, json: object = None, *, key: str | None = None) -> httpx.Response:
        self.keys += 1
        headers = {"Idempotency-Key": key or f"{self.id}-{self.keys}"}
        return await self.call("POST", path, json, headers)

    async def get(self, path: str) -> httpx.Response:
        return await self.call("GET", path)

    async def call(
        self, method: str, path: str, json: object = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        sent = {**(headers or {}), **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
        transport = httpx.ASGITransport(self.till.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(method, f"/api/v1{path}", json=json, headers=sent)


@pytest.fixture
async def till(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    async with open_till(settings) as opened:
        yield opened


async def someone(till: Till, name: str = "Asha Rao", role: PersonRole = "user", assurance: int = 1) -> Caller:
    async with till.house.database.transaction() as session:
        address = parse_identifier(f"{name.split(maxsplit=1)[0].lower()}@example.com")
        row = await people.create(session, name, [address], password_hash=None, role=role)
        return Caller(till, row.id, await token_of(session, row, assurance))


async def token_of(session: Session, row: PersonRow, assurance: int) -> str:
    begun = await sessions.begin(session, row, "api", "test", 2 if assurance == 2 else 1)
    assert begun.tokens
    return begun.tokens.access_token


async def fill(caller: Caller, amount: str) -> None:
    assert caller.id
    await caller.till.deposit(caller.id, amount)


async def test_a_deposit_over_the_wire(till: Till) -> None:
    asha = await someone(till)
    made = await asha.post("/wallets/deposit", {"amount": "150.00", "currency": "INR"})
    assert made.status_code == 201
    order = made.json()
    assert (order["status"], order["provider"], order["amount"]) == ("pending", "razorpay", "150.00")
    assert order["key_id"] == "rzp_test_tillhouse"
    proof = await till.outside("POST", f"/_sandbox/razorpay/orders/{order['provider_order_id']}/pay", {})
    paid = await asha.post("/payments/verify", proof.json())
    assert (paid.status_code, paid.json()["status"]) == (200, "captured")
    (wallet,) = (await asha.get("/wallets")).json()["items"]
    assert (wallet["available"], wallet["currency"]) == ("150.00", "INR")
    status = (await asha.get(f"/payments/status/{order['id']}")).json()
    assert (status["kind"], status["status"], status["message"]) == ("order", "captured", "Paid.")


async def test_a_checkout_with_a_wrong_signature_is_refused_and_nothing_changes(till: Till) -> None:
    asha = await someone(till)
    order = (await asha.post("/payments/create-order", {**INR_150, "purpose": "wallet_deposit"})).json()
    path = f"/_sandbox/razorpay/orders/{order['provider_order_id']}/pay"
    proof = (await till.outside("POST", path, {})).json()
    for tampered in ({"razorpay_signature": "0" * 64}, {"razorpay_payment_id": "pay_SomebodyElses"}):
        assert (await asha.post("/payments/verify", {**proof, **tampered})).status_code == 403
    assert (await asha.post("/payments/verify", {**proof, "razorpay_order_id": "order_Other"})).status_code == 404
    assert asha.id
    assert await till.wallet(asha.id) == "0.00"


INR_150 = {"amount": "150.00", "currency": "INR"}


async def test_the_same_key_and_body_get_the_same_answer_and_another_body_is_refused(till: Till) -> None:
    asha = await someone(till)
    first = await asha.post("/wallets/deposit", INR_150, key="k1")
    again = await asha.post("/wallets/deposit", INR_150, key="k1")
    assert (again.status_code, again.json()) == (201, first.json())
    other = await asha.post("/wallets/deposit", {**INR_150, "amount": "151.00"}, key="k1")
    assert other.status_code == 422
    missing = await asha.call("POST", "/wallets/deposit", INR_150)
    assert missing.status_code == 400


async def test_a_withdrawal_over_the_wire(till: Till) -> None:
    asha = await someone(till)
    await fill(asha, "500.00")
    made = await asha.post("/wallets/withdraw", {"amount": "100.00", "currency": "INR", "destination": VPA})
    assert made.status_code == 202
    assert made.json()["status"] == "reserved"
    (wallet,) = (await asha.get("/wallets")).json()["items"]
    assert (wallet["available"], wallet["held"]) == ("400.00", "100.00")
    await till.pass_time(timedelta(minutes=4))
    status = (await asha.get(f"/payments/status/{made.json()['id']}")).json()
    assert (status["kind"], status["status"]) == ("payout", "processed")


async def test_a_large_withdrawal_asks_who_one_is(till: Till) -> None:
    asha = await someone(till)
    await fill(asha, "20000.00")
    body = {"amount": "10000.01", "currency": "INR", "destination": VPA}
    refused = await asha.post("/wallets/withdraw", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
    assert asha.id
    assert await till.available(asha.id) == "20000.00"
    assert (await asha.post("/wallets/withdraw", {**body, "amount": "10000.00"})).status_code == 202


async def test_an_authenticator_that_was_just_set_up_lets_no_large_amount_out(till: Till) -> None:
    asha = await someone(till)
    await fill(asha, "20000.00")
    till.at.advance(timedelta(minutes=5))
    enrolment = (await asha.post("/users/me/totp")).json()
    app = pyotp.TOTP(enrolment["secret"])
    assert (await asha.post("/users/me/totp/confirm", {"code": app.at(till.at.at)})).status_code == 200
    body = {"amount": "10000.01", "currency": "INR", "destination": VPA}
    refused = await asha.post("/wallets/withdraw", body)  # the set-up made the session fresh
    assert (refused.status_code, refused.json()["code"]) == (403, "authenticator_too_new")
    assert "3 Mar 2026" in refused.json()["detail"], "the day on which it will"
    assert asha.id
    assert await till.available(asha.id) == "20000.00"
    assert (await asha.post("/wallets/withdraw", {**body, "amount": "1000.00"})).status_code == 202

    till.at.advance(timedelta(hours=24))
    async with till.house.database.transaction() as session:
        row = await session.get(PersonRow, asha.id)
        assert row
        asha.token = await token_of(session, row, 1)
    assert (await asha.post("/wallets/withdraw", body)).json()["code"] == "step_up_required"
    assert (await asha.post("/auth/step-up/verify", {"code": app.at(till.at.at)})).status_code == 200
    assert (await asha.post("/wallets/withdraw", body)).status_code == 202


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"amount": "1e2", "currency": "INR", "destination": VPA}, "/amount"),
        ({"amount": "100.001", "currency": "INR", "destination": VPA}, "/amount"),
        ({"amount": "100.00", "currency": "EUR", "destination": VPA}, "/currency"),
        ({"amount": "100.00", "currency": "USD", "destination": VPA}, "/currency"),
        ({"amount": "100.00", "currency": "INR", "destination": {"type": "vpa", "vpa": "asha"}}, "/destination/vpa"),
        ({"amount": "100.00", "currency": "INR", "destination": {"type": "cash"}}, "/destination"),
        ({"amount": "100.00", "currency": "INR"}, "/destination"),
    ],
)
async def test_a_withdrawal_that_cannot_be_right_names_the_field(
    till: Till, body: dict[str, object], pointer: str
) -> None:
    asha = await someone(till)
    await fill(asha, "500.00")
    refused = await asha.post("/wallets/withdraw", body)
    assert refused.status_code == 422
    assert pointer in [error["pointer"] for error in refused.json()["errors"]]
    assert asha.id
    assert await till.available(asha.id) == "500.00"


async def test_nobody_and_strangers_get_nothing(till: Till) -> None:
    asha, stranger = await someone(till), await someone(till, "Imran Khan")
    nobody = Caller(till, None, None)
    order = (await asha.post("/wallets/deposit", INR_150)).json()
    proof = (await till.outside("POST", f"/_sandbox/razorpay/orders/{order['provider_order_id']}/pay", {})).json()
    withdrawal = {"amount": "1.00", "currency": "INR", "destination": VPA}
    for path, body in (
        ("/payments/create-order", {**INR_150, "purpose": "wallet_deposit"}),
        ("/wallets/deposit", INR_150),
        ("/wallets/withdraw", withdrawal),
        ("/payments/verify", proof),
        ("/payments/payout", {**withdrawal, "person_id": str(asha.id)}),
    ):
        assert (await nobody.post(path, body)).status_code == 401, path
    assert (await nobody.get(f"/payments/status/{order['id']}")).status_code == 401
    assert (await stranger.post("/payments/verify", proof)).status_code == 404
    assert (await stranger.get(f"/payments/status/{order['id']}")).status_code == 404
    assert (await stranger.post("/payments/payout", {**withdrawal, "person_id": str(asha.id)})).status_code == 403
    assert asha.id
    assert await till.wallet(asha.id) == "0.00"


async def test_staff_with_a_second_factor_pay_out_and_another_approves(till: Till) -> None:
    till.change_settings(withdrawal_approval_above=10_000)
    asha = await someone(till)
    await fill(asha, "500.00")
    body = {"person_id": str(asha.id), "amount": "200.00", "currency": "INR", "destination": VPA}
    once = await someone(till, "Meera Iyer", "staff")
    assert (await once.post("/payments/payout", body)).status_code == 403
    meera = await someone(till, "Nisha Iyer", "staff", assurance=2)
    made = await meera.post("/payments/payout", body)
    assert (made.status_code, made.json()["status"]) == (202, "awaiting_approval")
    approve = f"/payments/payouts/{made.json()['id']}/approve"
    assert (await meera.post(approve)).status_code == 403
    colleague = await someone(till, "Arjun Nair", "staff", assurance=2)
    assert (await colleague.post(approve)).json()["status"] == "reserved"
    assert (await meera.get(f"/payments/status/{made.json()['id']}")).status_code == 200
    await till.pass_time(timedelta(minutes=4))
    assert asha.id
    assert await till.wallet(asha.id) == "300.00"


async def test_a_machine_with_the_scope_pays_out(till: Till) -> None:
    asha = await someone(till)
    await fill(asha, "500.00")
    async with till.house.database.transaction() as session:
        made = await machines.create(session, SYSTEM, "payroll", ["payments.payout"])
    machine = Caller(till, made.row.id, made.key)
    body = {"person_id": str(asha.id), "amount": "200.00", "currency": "INR", "destination": VPA}
    assert (await machine.post("/payments/payout", body)).status_code == 202
    unknown = {**body, "person_id": "00000000-0000-7000-8000-000000000000"}
    assert (await machine.post("/payments/payout", unknown)).status_code == 404


async def test_the_owner_is_told_of_money_that_came_and_went(till: Till) -> None:
    asha = await someone(till)
    await fill(asha, "500.00")
    await asha.post("/wallets/withdraw", {"amount": "100.00", "currency": "INR", "destination": VPA})
    await till.pass_time(timedelta(minutes=4))
    async with till.house.database.reading() as session:
        query = "SELECT template, data->'amount'->>'minor' FROM channels.messages WHERE channel {} 'in_app' ORDER BY id"
        rows = (await session.execute(text(query.format("<>")))).all()
        inside = (await session.execute(text(query.format("=")))).all()
    told = [tuple(row) for row in rows]
    assert (told[0], told[-1]) == (("payments.deposit_received", "50000"), ("payments.withdrawal_paid", "10000"))
    # of one moment: either may be written first
    assert set(told[1:-1]) == {("payments.payee_added", None), ("payments.withdrawal_requested", "10000")}
    assert len(told) == 4
    assert [tuple(row) for row in inside] == [told[0], told[-1]], "in the app as well, but for warnings"


async def test_a_receipt_is_a_page_for_whoever_paid_alone(till: Till) -> None:
    asha, stranger = await someone(till), await someone(till, "Imran Khan")
    order = (await asha.post("/wallets/deposit", INR_150)).json()
    path = f"/payments/{order['id']}/receipt"
    assert (await page(asha, path)).status_code == 404
    proof = (await till.outside("POST", f"/_sandbox/razorpay/orders/{order['provider_order_id']}/pay", {})).json()
    await asha.post("/payments/verify", proof)
    shown = await page(asha, path)
    assert shown.status_code == 200
    assert "₹150.00" in shown.text
    assert proof["razorpay_payment_id"] in shown.text
    assert (await page(stranger, path)).status_code == 404


async def test_a_receipt_is_a_paper_for_whoever_paid_alone(till: Till) -> None:
    asha, stranger = await someone(till), await someone(till, "Imran Khan")
    order = (await asha.post("/wallets/deposit", INR_150)).json()
    path = f"/payments/{order['id']}/receipt.pdf"
    assert (await asha.call("GET", path)).status_code == 404
    proof = (await till.outside("POST", f"/_sandbox/razorpay/orders/{order['provider_order_id']}/pay", {})).json()
    await asha.post("/payments/verify", proof)
    made = await asha.call("GET", path)
    assert (made.status_code, made.headers["content-type"]) == (200, "application/pdf")
    assert made.headers["cache-control"] == "private, no-store"
    said = text_of(made.content)
    assert [one for one in ("Receipt", "₹150.00", "Asha Rao", "UPI") if one not in said] == []
    assert order["id"] in squeezed(said)  # it is longer than its place, and broken
    assert proof["razorpay_payment_id"] in said
    assert (await page(asha, path)).content == made.content
    for refused in (await stranger.call("GET", path), await page(stranger, path)):
        assert refused.status_code == 404
    assert (await Caller(till, None, None).call("GET", path)).status_code == 401


async def page(caller: Caller, path: str) -> httpx.Response:
    """A page as a browser asks for it: with a cookie."""
    async with caller.till.house.database.transaction() as session:
        assert caller.id
        person = await store.person(session, caller.id)
        assert person
        begun = await sessions.begin(session, person, "pages", "test")
    cookies = {"till_session": begun.cookie or ""}
    transport = httpx.ASGITransport(caller.till.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", cookies=cookies) as client:
        return await client.get(path)
