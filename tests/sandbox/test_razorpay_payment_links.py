import json
import re
from html import unescape
from itertools import permutations
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.sandbox.conftest import Receiver
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.razorpay.signing import payment_link_signature
from tillhouse.sandbox.settings import SandboxSettings

HTML = {"accept": "text/html"}
BACK = "http://127.0.0.1:8000/invoices/7?from=link"
CUSTOMER = {"name": "Gaurav Kumar", "contact": "+919000000001", "email": "gaurav@example.com"}


async def link_of(razorpay: httpx.AsyncClient, **extra: Any) -> dict[str, Any]:
    body = {"amount": 100_000, "currency": "INR", "reference_id": "INV-1", "customer": CUSTOMER, **extra}
    response = await razorpay.post("/payment_links", json=body)
    assert response.status_code == 200, response.text
    link: dict[str, Any] = response.json()
    return link


async def pay(person: httpx.AsyncClient, link: dict[str, Any], **how: Any) -> httpx.Response:
    return await person.post(f"/_sandbox/razorpay/payment_links/{link['id']}/pay", json=how)


async def state(razorpay: httpx.AsyncClient, link: dict[str, Any]) -> tuple[str, int]:
    found = (await razorpay.get(f"/payment_links/{link['id']}")).json()
    return found["status"], found["amount_paid"]


async def test_a_link_has_the_documented_fields(razorpay: httpx.AsyncClient, clock: ManualClock) -> None:
    link = await link_of(razorpay, description="Tyres", notes={"a": "b"})
    now = clock.at_ms // 1000
    assert link.pop("id").startswith("plink_")
    assert link.pop("order_id").startswith("order_")
    assert re.fullmatch(r"http://sandbox/razorpay/l/\w{7}", link.pop("short_url"))
    assert link == {
        "accept_partial": False,
        "amount": 100_000,
        "amount_paid": 0,
        "callback_method": "",
        "callback_url": "",
        "cancelled_at": 0,
        "created_at": now,
        "currency": "INR",
        "customer": CUSTOMER,
        "description": "Tyres",
        "expire_by": 0,
        "expired_at": 0,
        "first_min_partial_amount": 0,
        "notes": {"a": "b"},
        "notify": {"email": False, "sms": False},
        "payments": None,
        "reference_id": "INV-1",
        "reminder_enable": False,
        "reminders": [],
        "status": "created",
        "updated_at": now,
        "upi_link": False,
        "user_id": "",
    }


async def test_paying_brings_back_a_signed_query_and_the_events(
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    receiver: Receiver,
    settings: SandboxSettings,
) -> None:
    link = await link_of(razorpay)
    answer = (await pay(person, link)).json()
    signature = payment_link_signature(
        settings.razorpay_key_secret, link["id"], "INV-1", "paid", answer["razorpay_payment_id"]
    )
    assert answer == {
        "razorpay_payment_id": answer["razorpay_payment_id"],
        "razorpay_payment_link_id": link["id"],
        "razorpay_payment_link_reference_id": "INV-1",
        "razorpay_payment_link_status": "paid",
        "razorpay_signature": signature,
    }
    paid = (await razorpay.get(f"/payment_links/{link['id']}")).json()
    assert (paid["status"], paid["amount_paid"]) == ("paid", 100_000)
    assert [(p["payment_id"], p["amount"], p["status"]) for p in paid["payments"]] == [
        (answer["razorpay_payment_id"], 100_000, "captured")
    ]
    await sandbox.deliver_due()
    assert receiver.events == ["payment.authorized", "payment.captured", "order.paid", "payment_link.paid"]
    event = json.loads(receiver.taken[-1].body)
    assert sorted(event["contains"]) == ["order", "payment", "payment_link"]
    assert event["payload"]["payment_link"]["entity"] == paid


@pytest.mark.parametrize("what", ["link", "qr code"])
async def test_the_events_of_one_payment_can_be_delivered_in_any_order(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, what: str
) -> None:
    if what == "link":
        await pay(person, await link_of(razorpay))
        expected = ["payment.authorized", "payment.captured", "order.paid", "payment_link.paid"]
    else:
        body = {"type": "upi_qr", "usage": "single_use", "fixed_amount": True, "payment_amount": 500}
        code = (await razorpay.post("/payments/qr_codes", json=body)).json()
        await sandbox.deliver_due()
        await person.post(f"/_sandbox/razorpay/qr_codes/{code['id']}/pay")
        expected = ["payment.authorized", "payment.captured", "qr_code.credited", "qr_code.closed"]
    queued = sandbox.pending()
    assert [delivery.event for delivery in queued] == expected
    for order in permutations(queued):
        receiver.taken.clear()
        for delivery in order:
            await sandbox.deliver(delivery.id)
        assert receiver.events == [delivery.event for delivery in order]
        assert len({taken.headers["x-razorpay-event-id"] for taken in receiver.taken}) == 4


async def test_a_link_can_be_paid_in_parts_when_it_accepts_them(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    link = await link_of(razorpay, accept_partial=True, first_min_partial_amount=30_000)
    assert (await pay(person, link, amount=29_999)).status_code == 400
    assert (await pay(person, link, amount=100_001)).status_code == 400
    assert await state(razorpay, link) == ("created", 0)

    first = (await pay(person, link, amount=30_000)).json()
    assert first["razorpay_payment_link_status"] == "partially_paid"
    assert await state(razorpay, link) == ("partially_paid", 30_000)
    assert (await razorpay.get(f"/orders/{link['order_id']}")).json()["status"] == "attempted"
    assert (await razorpay.post(f"/payment_links/{link['id']}/cancel")).status_code == 400
    await pay(person, link, amount=100)
    assert (await pay(person, link, amount=70_000)).status_code == 400
    assert (await pay(person, link)).json()["razorpay_payment_link_status"] == "paid"
    assert await state(razorpay, link) == ("paid", 100_000)

    await sandbox.deliver_due()
    ends = [event for event in receiver.events if event.startswith(("payment_link", "order"))]
    assert ends == ["payment_link.partially_paid", "payment_link.partially_paid", "order.paid", "payment_link.paid"]


async def test_a_link_that_takes_no_parts_takes_none(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    link = await link_of(razorpay)
    assert (await pay(person, link, amount=50_000)).status_code == 400
    assert (await razorpay.get("/payments")).json()["count"] == 0


async def test_a_declined_payment_leaves_the_link_open(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    link = await link_of(razorpay)
    assert (await pay(person, link, outcome="failure")).json()["error"]["reason"] == "payment_failed"
    assert await state(razorpay, link) == ("created", 0)
    await pay(person, link)
    assert await state(razorpay, link) == ("paid", 100_000)


async def test_a_cancelled_link_takes_no_money(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    link = await link_of(razorpay)
    late = (await pay(person, link, outcome="late_success")).json()["error"]["metadata"]["payment_id"]
    cancelled = (await razorpay.post(f"/payment_links/{link['id']}/cancel")).json()
    assert (cancelled["status"], cancelled["cancelled_at"]) == ("cancelled", clock.at_ms // 1000)
    assert (await pay(person, link)).status_code == 400
    assert (await razorpay.post(f"/payment_links/{link['id']}/cancel")).status_code == 400
    assert (await razorpay.post(f"/payment_links/{link['id']}/notify_by/sms")).status_code == 400

    clock.advance(5)
    await sandbox.deliver_due()
    assert (await razorpay.get(f"/payments/{late}")).json()["status"] == "authorized"
    assert await state(razorpay, link) == ("cancelled", 0)
    assert receiver.events == ["payment.failed", "payment_link.cancelled", "payment.authorized"]


async def test_late_money_that_is_more_than_is_due_by_then_is_not_taken(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, clock: ManualClock
) -> None:
    link = await link_of(razorpay, accept_partial=True)
    late = (await pay(person, link, amount=60_000, outcome="late_success")).json()["error"]["metadata"]["payment_id"]
    await pay(person, link, amount=50_000)
    clock.advance(5)
    await sandbox.deliver_due()
    assert (await razorpay.get(f"/payments/{late}")).json()["status"] == "authorized"
    assert await state(razorpay, link) == ("partially_paid", 50_000)


async def test_money_captured_by_hand_does_not_bring_a_cancelled_link_back(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, clock: ManualClock
) -> None:
    link = await link_of(razorpay)
    late = (await pay(person, link, outcome="late_success")).json()["error"]["metadata"]["payment_id"]
    await razorpay.post(f"/payment_links/{link['id']}/cancel")
    clock.advance(5)
    await sandbox.deliver_due()
    captured = await razorpay.post(f"/payments/{late}/capture", json={"amount": 100_000, "currency": "INR"})
    assert captured.json()["status"] == "captured"
    assert await state(razorpay, link) == ("cancelled", 0)


async def test_a_link_expires_at_its_instant_unless_that_was_moved(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    end = clock.at_ms // 1000 + 1000
    link = await link_of(razorpay, expire_by=end)
    moved = await link_of(razorpay, expire_by=end, reference_id="INV-2")
    patched = await razorpay.patch(f"/payment_links/{moved['id']}", json={"expire_by": end + 1000, "notes": {"a": "b"}})
    assert (patched.json()["expire_by"], patched.json()["notes"]) == (end + 1000, {"a": "b"})
    clock.advance(1000)
    await sandbox.deliver_due()
    assert await state(razorpay, link) == ("expired", 0)
    assert await state(razorpay, moved) == ("created", 0)
    assert (await pay(person, link)).status_code == 400
    clock.advance(1000)
    await sandbox.deliver_due()
    assert await state(razorpay, moved) == ("expired", 0)
    assert receiver.events == ["payment_link.expired", "payment_link.expired"]


async def test_the_customer_is_told_by_mail_and_sms(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    link = await link_of(razorpay, notify={"email": True, "sms": True}, description="Tyres")
    for medium in ("email", "sms"):
        told = await razorpay.post(f"/payment_links/{link['id']}/notify_by/{medium}")
        assert told.json() == {"success": True}
    inbox = (await person.get("/_sandbox/inbox")).json()
    assert sorted((m["to"], m["channel"]) for m in inbox) == [
        ("+919000000001", "sms"),
        ("+919000000001", "sms"),
        ("gaurav@example.com", "email"),
        ("gaurav@example.com", "email"),
    ]
    assert all(link["short_url"] in m["body"] and "₹1,000.00" in m["body"] for m in inbox)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 99}, "amount"),
        ({"currency": "USD"}, "currency"),
        ({"upi_link": True}, "upi_link"),
        ({"callback_url": BACK}, "callback_method"),
        ({"first_min_partial_amount": 500}, "first_min_partial_amount"),
        ({"expire_by": 1_800_000_000}, "expire_by"),
        ({"expire_by": 1_800_000_000 + 200 * 86_400}, "expire_by"),
        ({"reference_id": "r" * 41}, "reference_id"),
        ({"reference_id": "INV-0"}, "reference_id"),
        ({"customer": {}, "notify": {"sms": True}}, "customer"),
    ],
)
async def test_a_bad_link_is_refused(razorpay: httpx.AsyncClient, change: dict[str, Any], field: str) -> None:
    await link_of(razorpay, reference_id="INV-0")
    response = await razorpay.post("/payment_links", json={"amount": 100_000, "reference_id": "INV-1", **change})
    assert (response.status_code, response.json()["error"]["field"]) == (400, field)
    assert [link["reference_id"] for link in (await razorpay.get("/payment_links")).json()["payment_links"]] == [
        "INV-0"
    ]
    assert (await razorpay.get("/orders")).json()["count"] == 1


async def test_lists_stand_under_their_own_key(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    first, second = await link_of(razorpay), await link_of(razorpay, reference_id="INV-2")
    payment = (await pay(person, first)).json()["razorpay_payment_id"]

    async def found(**query: str) -> list[str]:
        answer = (await razorpay.get("/payment_links", params=query)).json()
        assert list(answer) == ["payment_links"]
        return [link["id"] for link in answer["payment_links"]]

    assert await found() == [second["id"], first["id"]]
    assert await found(reference_id="INV-2") == [second["id"]]
    assert await found(payment_id=payment) == [first["id"]]


async def test_the_hosted_page_leads_through_checkout_back_to_the_shop(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, settings: SandboxSettings
) -> None:
    link = await link_of(
        razorpay, accept_partial=True, callback_url=BACK, callback_method="get", description="<b>Tyres</b>"
    )
    page = await person.get(link["short_url"])
    assert "&lt;b&gt;Tyres" in page.text
    assert "₹1,000.00" in page.text
    refused = await person.post(link["short_url"], data={"rupees": "1,000.01"})
    assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)
    checkout = await person.post(link["short_url"], data={"rupees": "250.50"}, follow_redirects=True)
    assert "Pay ₹250.50" in checkout.text

    declined = await person.post(checkout.url, data={"step": "upi", "vpa": "failure@razorpay"}, follow_redirects=True)
    assert 'data-event="failed"' in declined.text
    assert "razorpay_payment_link_id" not in declined.text
    paid = await person.post(checkout.url, data={"step": "upi", "vpa": "success@razorpay"}, follow_redirects=True)
    back = re.search(r'class="button callback" href="([^"]+)"', paid.text)
    assert back
    address = urlsplit(unescape(back[1]))
    assert f"{address.scheme}://{address.netloc}{address.path}" == "http://127.0.0.1:8000/invoices/7"
    query = dict(parse_qsl(address.query))
    assert query.pop("from") == "link"
    assert query["razorpay_payment_link_status"] == "partially_paid"
    assert query["razorpay_signature"] == payment_link_signature(
        settings.razorpay_key_secret, link["id"], "INV-1", "partially_paid", query["razorpay_payment_id"]
    )
    assert "₹250.50 of ₹1,000.00" in (await person.get(link["short_url"])).text


async def test_the_page_of_a_closed_link_says_so_and_leads_nowhere(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    link = await link_of(razorpay)
    await razorpay.post(f"/payment_links/{link['id']}/cancel")
    assert "was cancelled" in (await person.get(link["short_url"])).text
    at_checkout = await person.get(f"/_sandbox/razorpay/pay/{link['order_id']}", follow_redirects=True)
    assert "was cancelled" in at_checkout.text
    assert (await person.get("/razorpay/l/unknown")).status_code == 404


async def test_the_page_leads_to_no_address_beyond_this_machine(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    link = await link_of(razorpay, callback_url="https://evil.example/", callback_method="get")
    pay_page = f"/_sandbox/razorpay/pay/{link['order_id']}"
    paid = await person.post(pay_page, data={"step": "upi", "vpa": "success@razorpay"}, follow_redirects=True)
    assert 'data-event="success"' in paid.text
    assert "evil.example" not in paid.text
