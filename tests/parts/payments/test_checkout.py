"""Checkout: which gateway, how it is paid, the page behind the link, payers without an account."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from tests.parts.payments.test_endpoints import Caller, someone
from tests.parts.payments.till import Till, new_person, open_till, rupees
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import (
    Method,
    Offer,
    OrderState,
    RefundFacts,
    RefundState,
    choose,
    link_token,
    order_id_in,
)
from tillhouse.parts.payments.service.checks import erase_person
from tillhouse.parts.payments.service.refunds import record_refund
from tillhouse.sandbox.razorpay.links import PaymentLink
from tillhouse.sandbox.razorpay.qr_codes import QrCode
from tillhouse.sandbox.stripe.payment_schemas import Refund as StripeRefund

# --- which gateway --------------------------------------------------------------------------------------------------

OFFERS = {
    "razorpay": [Offer(Method.CHECKOUT, "INR", 100), Offer(Method.UPI_QR, "INR", 100)],
    "stripe": [
        Offer(Method.CHECKOUT, "USD", 50),
        Offer(Method.CHECKOUT, "THB", 1000),
        Offer(Method.PROMPTPAY, "THB", 1000, 15_000_000, frozenset({"TH"})),
        Offer(Method.CHECKOUT, "INR", 5000),
    ],
    "omise": [Offer(Method.PROMPTPAY, "THB", 2000, None, frozenset({"TH"})), Offer(Method.CARD, "THB", 2000)],
    "sepay": [Offer(Method.BANK_TRANSFER, "VND", 1, None, frozenset({"VN"}))],
}


@pytest.mark.parametrize(
    ("currency", "country", "method", "expected"),
    [
        ("INR", None, None, ("razorpay", Method.CHECKOUT)),
        ("INR", "IN", Method.UPI_QR, ("razorpay", Method.UPI_QR)),
        ("USD", "IN", None, ("stripe", Method.CHECKOUT)),
        ("THB", "TH", Method.PROMPTPAY, ("stripe", Method.PROMPTPAY)),
        ("THB", "DE", Method.PROMPTPAY, None),
        ("THB", "DE", Method.CARD, ("omise", Method.CARD)),
        ("VND", "VN", None, ("sepay", Method.BANK_TRANSFER)),
        ("VND", None, None, ("sepay", Method.BANK_TRANSFER)),
        ("VND", "US", None, None),
        ("EUR", None, None, None),
    ],
)
def test_what_suits_a_buyer(
    currency: str, country: str | None, method: Method | None, expected: tuple[str, Method] | None
) -> None:
    found = choose(OFFERS, currency=currency, country=country, method=method)
    assert (found[0].gateway, found[0].offer.method) == expected if expected else not found


def test_the_order_of_preference_decides_and_an_unknown_country_gets_what_is_for_any_first() -> None:
    turned = {name: OFFERS[name] for name in reversed(OFFERS)}
    assert choose(turned, currency="THB", country="TH")[0].gateway == "omise"
    assert choose(turned, currency="THB")[0].offer.method == Method.CARD


# --- the link -------------------------------------------------------------------------------------------------------


@given(st.uuids(), st.integers(0, 42), st.characters(codec="ascii"))
def test_a_link_opens_its_order_and_a_changed_one_nothing(order: UUID, at: int, sign: str) -> None:
    token = link_token("secret", order)
    assert order_id_in("secret", token) == order
    assert order_id_in("another secret", token) is None
    changed = token[:at] + sign + token[at + 1 :]
    assert changed == token or order_id_in("secret", changed) is None


@pytest.mark.parametrize("token", ["", "x", "é" * 43, "A" * 43, "=" * 44, "A" * 1000])
def test_what_is_no_link_opens_nothing(token: str) -> None:
    assert order_id_in("secret", token) is None


# --- over the wire --------------------------------------------------------------------------------------------------


@pytest.fixture
async def till(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    async with open_till(settings) as opened:
        yield opened


BODY = {"purpose": "wallet_deposit", "amount": "150.00", "currency": "INR"}


def nobody(till: Till) -> Caller:
    return Caller(till, None, None)


async def checkout(who: Caller, **more: str) -> dict[str, Any]:
    response = await who.post("/payments/checkout", {**BODY, **more}, key=str(new_id()))
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


async def browse(till: Till, method: str, url: str, data: dict[str, str] | None = None) -> httpx.Response:
    path = httpx.URL(url).raw_path.decode()
    transport = httpx.ASGITransport(till.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.request(method, path, data=data)


async def order_account(till: Till, order_id: str) -> str:
    async with till.house.database.reading() as session:
        order = await api.order(session, UUID(order_id))
        return str((await ledger.balance(session, ledger.AccountRef("order", order.owner_id, "wallet", "INR"))).posted)


async def test_somebody_without_an_account_pays_gets_a_receipt_and_claims_it_later(till: Till) -> None:
    made = await checkout(nobody(till), email="Asha@Example.com")
    assert (made["checkout"]["kind"], made["provider"], made["status"]) == ("script", "razorpay", "pending")
    page = await browse(till, "GET", made["pay_url"])
    assert page.status_code == 200
    assert re.search(r"To be paid by [^.]+ \(UTC\)\.", page.text)
    assert 'name="description" value="Add money"' in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert (await browse(till, "GET", f"{made['pay_url']}/receipt.pdf")).status_code == 404
    path = f"/_sandbox/razorpay/orders/{made['provider_order_id']}/pay"
    proof = (await till.outside("POST", path, {})).json()
    back = await browse(till, "POST", f"{made['pay_url']}/return", proof)
    assert back.status_code == 303
    assert back.headers["location"] == httpx.URL(made["pay_url"]).path
    page = await browse(till, "GET", made["pay_url"])
    assert "Thank you. This is your receipt." in page.text
    assert "asha@example.com" in page.text
    paper = await browse(till, "GET", f"{made['pay_url']}/receipt.pdf")
    assert (paper.status_code, paper.content[:5]) == (200, b"%PDF-")
    assert paper.headers["referrer-policy"] == "no-referrer"
    assert await order_account(till, made["id"]) == "150.00"
    await till.quiet()
    async with till.house.database.reading() as session:
        rows = await session.execute(text("SELECT address, template FROM channels.messages"))
        assert [tuple(row) for row in rows] == [("asha@example.com", "payments.receipt")]
    stranger, asha = new_person(), await someone(till)
    assert asha.id
    async with till.house.database.transaction() as session:
        with pytest.raises(NotFound):
            await api.claim_order(session, UUID(made["id"]), stranger)
    for _ in range(2):
        async with till.house.database.transaction() as session:
            claimed = await api.claim_order(session, UUID(made["id"]), asha.id)
    assert claimed.owner_id == asha.id
    assert await till.wallet(asha.id) == "150.00"


async def test_money_of_a_payer_without_an_account_can_be_given_back(till: Till) -> None:
    made = await checkout(nobody(till))
    await till.outside("POST", f"/_sandbox/razorpay/orders/{made['provider_order_id']}/pay", {})
    await till.quiet()
    staff = await someone(till, "Ravi Staff", role="staff", assurance=2)
    wish = {"order_id": made["id"], "reason": "changed their mind"}
    first = await staff.post("/payments/refunds", wish, key="r1")
    assert (first.status_code, first.json()["amount"]) == (202, "150.00"), first.text
    again = await staff.post("/payments/refunds", wish, key="r1")
    assert again.json()["id"] == first.json()["id"]
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    seen = (await staff.get(f"/payments/refunds/{first.json()['id']}")).json()
    assert (seen["status"], seen["message"]) == ("processed", "Given back to where it came from.")
    listed = (await staff.get(f"/payments/refunds?order_id={made['id']}")).json()
    assert [one["id"] for one in listed["items"]] == [seen["id"]]
    assert await order_account(till, made["id"]) == "0.00"
    page = await browse(till, "GET", made["pay_url"])
    assert "Given back" in page.text


async def test_what_cannot_be_paid_back_by_itself_needs_the_payers_e_mail(till: Till) -> None:
    till.change_settings(gateways=("stripe",))
    staff, asha = await someone(till, "Ravi Staff", role="staff", assurance=2), await someone(till)

    async def paid(who: Caller) -> dict[str, str]:
        made = await checkout(who, currency="THB", amount="300.00", country="TH", method="promptpay")
        await till.outside("POST", f"/_sandbox/stripe/payment_intents/{made['provider_order_id']}/pay", {})
        await till.quiet()
        return {"order_id": made["id"], "reason": "changed their mind"}

    wish = await paid(nobody(till))
    unknown = await staff.post("/payments/refunds", wish, key="r1")
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/email")
    theirs = await paid(asha)
    for elsewhere in ({**wish, "email": "ravi@example.com"}, {**theirs, "email": "someone@example.com"}):
        diverted = await staff.post("/payments/refunds", elsewhere, key=elsewhere["email"])
        assert (diverted.status_code, diverted.json()["errors"][0]["pointer"]) == (422, "/email")
    said = await staff.post("/payments/refunds", {**wish, "email": "Payer@Example.com"}, key="r2")
    assert said.status_code == 202, said.text
    known = await staff.post("/payments/refunds", theirs, key="r3")
    assert known.status_code == 202, known.text
    await till.quiet()
    asked = {refund.instructions_email for refund in till.sandbox.world.store.find(StripeRefund)}
    assert asked == {"payer@example.com", "asha@example.com"}
    await till.pass_time(timedelta(hours=2), step=timedelta(hours=1))
    async with till.house.database.transaction() as session:
        for refund in (said, known):
            assert (await api.refund(session, UUID(refund.json()["id"]))).state == RefundState.PROCESSED
        assert asha.id
        await erase_person(session, asha.id, ["payer@example.com"])
    async with till.house.database.reading() as session:
        left = await session.execute(text("SELECT email FROM payments.refunds"))
        assert left.scalars().all() == [None, None]


async def test_a_refund_is_for_staff_and_machines_alone_and_needs_a_key(till: Till) -> None:
    asha = await someone(till)
    assert asha.id
    order = await till.deposit(asha.id, "100.00")
    wish = {"order_id": str(order.id), "reason": "mine"}
    assert (await asha.post("/payments/refunds", wish)).status_code == 403
    assert (await nobody(till).post("/payments/refunds", wish)).status_code == 401
    staff = await someone(till, "Ravi Staff", role="staff", assurance=2)
    assert (await staff.call("POST", "/payments/refunds", wish)).status_code == 400
    both = {**wish, "payment_id": str(order.id)}
    assert (await staff.post("/payments/refunds", both)).status_code == 422
    assert await till.available(asha.id) == "100.00"


async def test_a_signed_in_payer_pays_for_themselves(till: Till) -> None:
    asha = await someone(till)
    made = await checkout(asha)
    await till.outside("POST", f"/_sandbox/razorpay/orders/{made['provider_order_id']}/pay", {})
    await till.quiet()
    assert asha.id
    assert await till.wallet(asha.id) == "150.00"


async def test_the_same_key_is_one_order_for_one_payer_and_another_for_another(till: Till) -> None:
    one, two = nobody(till), await someone(till)
    first = await one.post("/payments/checkout", BODY, key="form")
    again = await one.post("/payments/checkout", BODY, key="form")
    other = await two.post("/payments/checkout", BODY, key="form")
    assert first.json()["id"] == again.json()["id"] != other.json()["id"]


async def test_each_way_to_pay_is_told_and_shown(till: Till) -> None:
    qr = await checkout(nobody(till), method="upi_qr")
    assert (qr["checkout"]["kind"], qr["provider"]) == ("qr", "razorpay")
    assert qr["checkout"]["image_url"] in (await browse(till, "GET", qr["pay_url"])).text
    link = await checkout(nobody(till), method="payment_link")
    assert link["checkout"]["url"] in (await browse(till, "GET", link["pay_url"])).text
    form = await checkout(nobody(till), currency="VND", amount="449000", method="checkout")
    names = [field["name"] for field in form["checkout"]["fields"]]
    assert (form["provider"], form["checkout"]["kind"], names[-1]) == ("sepay", "form", "signature")
    page = (await browse(till, "GET", form["pay_url"])).text
    places = [page.index(f'name="{name}"') for name in names]
    assert places == sorted(places), "the order of the fields is signed"
    bank = await checkout(nobody(till), currency="VND", amount="449000", country="VN")
    assert (bank["provider"], bank["method"]) == ("sepay", "bank_transfer")
    page = (await browse(till, "GET", bank["pay_url"])).text
    assert bank["provider_order_id"] in page
    assert "data:image/svg+xml" in page
    async with till.house.database.reading() as session:
        stored = await session.execute(text("SELECT checkout FROM payments.orders"))
        assert all(b"http" not in row[0] and b"signature" not in row[0] for row in stored)


async def test_a_way_that_nobody_offers_is_refused_by_name(till: Till) -> None:
    refused = await nobody(till).post("/payments/checkout", {**BODY, "method": "promptpay"}, key="way")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "method_not_offered")
    for wrong in ({"return_path": "//evil.example"}, {"return_path": "https://evil.example"}, {"email": "nobody"}):
        refused = await nobody(till).post("/payments/checkout", {**BODY, **wrong}, key=str(wrong))
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    little = {**BODY, "currency": "VND", "amount": "1999", "method": "bank_transfer"}
    foreign = await nobody(till).post("/payments/checkout", little, key="little")
    assert foreign.json()["code"] == "over_limit"
    async with till.house.database.reading() as session:
        assert (await session.execute(text("SELECT count(*) FROM payments.orders"))).scalar_one() == 0


async def test_what_the_browser_says_on_its_return_is_never_believed(till: Till) -> None:
    made = await checkout(nobody(till), method="payment_link")
    await browse(till, "GET", f"{made['pay_url']}/return?status=paid&payment_id=pay_1")
    assert await order_account(till, made["id"]) == "0.00"
    await till.outside("POST", f"/_sandbox/razorpay/payment_links/{made['provider_order_id']}/pay", {})
    await browse(till, "GET", f"{made['pay_url']}/return?status=failed")
    assert await order_account(till, made["id"]) == "150.00"
    for _ in range(3):
        await browse(till, "GET", f"{made['pay_url']}/return")
    assert await order_account(till, made["id"]) == "150.00"


async def test_a_proof_of_another_order_books_nothing_here(till: Till) -> None:
    cheap, dear = await checkout(nobody(till)), await checkout(nobody(till), amount="9000.00")
    path = f"/_sandbox/razorpay/orders/{cheap['provider_order_id']}/pay"
    proof = (await till.outside("POST", path, {})).json()
    await browse(till, "POST", f"{dear['pay_url']}/return", proof)
    await browse(till, "POST", f"{cheap['pay_url']}/return", {**proof, "razorpay_signature": "0" * 64})
    assert (await order_account(till, dear["id"]), await order_account(till, cheap["id"])) == ("0.00", "0.00")


async def test_a_link_that_is_none_of_ours_is_not_found_and_asks_nobody(till: Till) -> None:
    made = await checkout(nobody(till))
    wrong = made["pay_url"][:-1] + ("A" if made["pay_url"][-1] != "A" else "B")
    for url in (wrong, f"{wrong}/state", f"{wrong}/return", f"/pay/{made['id']}"):
        assert (await browse(till, "GET", url)).status_code == 404


async def test_the_page_asks_again_until_something_changed(till: Till) -> None:
    made = await checkout(nobody(till), method="upi_qr")
    page = httpx.URL(made["pay_url"]).path
    assert (await browse(till, "GET", f"{page}/state?seen=pending-15000")).status_code == 204
    await till.outside("POST", f"/_sandbox/razorpay/qr_codes/{made['provider_order_id']}/pay", {})
    await browse(till, "GET", f"{page}/return")
    changed = await browse(till, "GET", f"{page}/state?seen=pending-15000")
    assert changed.status_code == 200
    assert "<html" not in changed.text
    assert "Thank you" in changed.text


async def test_an_order_that_is_not_paid_in_time_is_cancelled_at_the_gateway(till: Till) -> None:
    till.change_settings(order_minutes=5)  # a link lives for a quarter of an hour at least
    made = await checkout(nobody(till), method="payment_link")
    await till.pass_time(timedelta(minutes=8), step=timedelta(minutes=4))
    (link,) = till.sandbox.world.store.find(PaymentLink)
    assert (link.id, link.status) == (made["provider_order_id"], "cancelled")
    page = await browse(till, "GET", made["pay_url"])
    assert "Not paid in time" in page.text
    assert link.short_url not in page.text


@pytest.mark.parametrize(("method", "path"), [("payment_link", "payment_links"), ("upi_qr", "payments/qr_codes")])
async def test_an_answer_that_was_lost_makes_no_second_order(till: Till, method: str, path: str) -> None:
    await till.fault("timeout_after", f"POST /v1/{path}")
    who = nobody(till)
    lost = await who.post("/payments/checkout", {**BODY, "method": method}, key="form")
    assert lost.status_code == 503
    till.at.advance(timedelta(seconds=61))  # the claim of the first request is over
    found = await who.post("/payments/checkout", {**BODY, "method": method}, key="form")
    store = till.sandbox.world.store
    assert (found.status_code, len(store.find(PaymentLink)) + len(store.find(QrCode))) == (201, 1)


async def test_an_event_is_replayed_by_staff_and_changes_nothing_twice(till: Till) -> None:
    asha = await someone(till)
    assert asha.id
    await till.deposit(asha.id, "100.00")
    async with till.house.database.reading() as session:
        events, _ = await api.events(session)
    staff = await someone(till, "Ravi Staff", role="staff", assurance=2)
    for event in events:
        assert (await asha.post(f"/payments/events/{event.id}/replay")).status_code == 403
        replayed = await staff.post(f"/payments/events/{event.id}/replay")
        assert (replayed.status_code, replayed.json()["status"]) == (202, "received")
    await till.quiet()
    assert await till.wallet(asha.id) == "100.00"
    assert (await staff.post(f"/payments/events/{new_id()}/replay")).status_code == 404
    async with till.house.database.reading() as session:
        audited = await session.execute(text("SELECT count(*) FROM identity.audit WHERE action = 'payments.replay'"))
        assert audited.scalar_one() == len(events)


async def test_a_parked_event_that_is_replayed_when_its_order_is_known_settles(till: Till) -> None:
    order = await till.order(person := new_person())
    await till.pay(order)
    (captured,) = till.webhooks("payment.captured")
    async with till.house.database.transaction() as session:
        await session.execute(text("UPDATE payments.orders SET state = 'created', provider_order_id = NULL"))
    await till.deliver(captured)
    await till.quiet()
    assert "unknown_order" in await till.parked()
    async with till.house.database.transaction() as session:
        put_back = text("UPDATE payments.orders SET state = 'pending', provider_order_id = :id")
        await session.execute(put_back, {"id": json.loads(captured.body)["payload"]["payment"]["entity"]["order_id"]})
        found, _ = await api.events(session, state="parked")
        await api.replay_event(session, found[0].id)
    await till.quiet()
    assert (await till.wallet(person), (await till.see_order(order)).state) == ("150.00", OrderState.CAPTURED)


async def test_money_lands_before_a_claim_and_after_it(till: Till) -> None:
    """The order is claimed while its payment is still on the way: the money comes to the person."""
    made = await checkout(nobody(till), email="asha@example.com")
    asha = await someone(till)
    assert asha.id
    async with till.house.database.transaction() as session:
        await api.claim_order(session, UUID(made["id"]), asha.id)
    await till.outside("POST", f"/_sandbox/razorpay/orders/{made['provider_order_id']}/pay", {})
    await till.quiet()
    assert (await till.wallet(asha.id), rupees("150.00").minor) == ("150.00", 15_000)


@pytest.mark.parametrize("returned", [False, True], ids=["before it was processed", "after it was processed"])
async def test_a_refund_that_fails_after_the_claim_comes_to_the_person(till: Till, returned: bool) -> None:
    made = await checkout(nobody(till), email="asha@example.com")
    await till.outside("POST", f"/_sandbox/razorpay/orders/{made['provider_order_id']}/pay", {})
    await till.quiet()
    asha = await someone(till)
    assert asha.id
    async with till.house.database.transaction() as session:
        (payment,) = await api.payments_of(session, UUID(made["id"]))
        refund = await api.start_refund(session, payment.id, rupees("50.00"), reason="", key="k", by=None)
    await till.quiet()
    if returned:
        till.sandbox_clock.advance(200)
        await till.quiet()
    async with till.house.database.transaction() as session:
        await api.claim_order(session, UUID(made["id"]), asha.id)
    assert await till.wallet(asha.id) == "100.00"
    async with till.house.database.reading() as session:
        outside = (await api.refund(session, refund.id)).provider_refund_id or ""
    failed = RefundFacts("razorpay", outside, "", rupees("50.00"), RefundState.FAILED)
    async with till.house.database.transaction() as session:
        await record_refund(session, refund.id, failed)
    assert (await till.wallet(asha.id), await till.available(asha.id)) == ("150.00", "150.00")
