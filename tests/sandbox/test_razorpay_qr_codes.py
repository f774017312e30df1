import json
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Receiver
from tests.sandbox.test_razorpayx import pass_time
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.razorpay.qr_codes import QrCode

SINGLE = {"type": "upi_qr", "usage": "single_use", "fixed_amount": True, "payment_amount": 30_000}
ANY = {"type": "upi_qr", "usage": "multiple_use", "name": "Store front", "fixed_amount": False}


async def qr_of(razorpay: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await razorpay.post("/payments/qr_codes", json=body)
    assert response.status_code == 200, response.text
    code: dict[str, Any] = response.json()
    return code


async def scan(person: httpx.AsyncClient, code: dict[str, Any], **how: Any) -> httpx.Response:
    return await person.post(f"/_sandbox/razorpay/qr_codes/{code['id']}/pay", json=how)


async def test_a_qr_code_has_exactly_the_documented_fields(razorpay: httpx.AsyncClient, clock: ManualClock) -> None:
    code = await qr_of(razorpay, **SINGLE, description="For Store 1", notes={"purpose": "test"})
    assert code.pop("id").startswith("qr_")
    assert code.pop("image_url").startswith("http://sandbox/razorpay/q/qr_")
    now = clock.at_ms // 1000
    assert code == {
        "entity": "qr_code",
        "created_at": now,
        "name": None,
        "usage": "single_use",
        "type": "upi_qr",
        "payment_amount": 30_000,
        "status": "active",
        "description": "For Store 1",
        "fixed_amount": True,
        "payments_amount_received": 0,
        "payments_count_received": 0,
        "notes": {"purpose": "test"},
        "customer_id": None,
        "close_by": now + 7200,
        "closed_at": None,
        "close_reason": None,
    }


async def test_the_image_is_a_png_of_the_upi_address(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    code = await qr_of(razorpay, **SINGLE, name="Drivopay & Co")
    image = await person.get(code["image_url"])
    assert image.headers["content-type"] == "image/png"
    assert image.content.startswith(b"\x89PNG\r\n")
    kept = sandbox.world.store.get(QrCode, code["id"])
    assert kept
    address = httpx.URL(kept.content)
    assert (address.scheme, address.host) == ("upi", "pay")
    assert (address.params["am"], address.params["cu"], address.params["pn"]) == ("300.00", "INR", "Drivopay & Co")


async def test_paying_a_single_use_code_captures_credits_and_closes_it(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    code = await qr_of(razorpay, **SINGLE)
    payment = (await scan(person, code)).json()
    assert (payment["status"], payment["method"], payment["order_id"], payment["fee"]) == ("captured", "upi", None, 708)
    closed = (await razorpay.get(f"/payments/qr_codes/{code['id']}")).json()
    assert (closed["status"], closed["close_reason"]) == ("closed", "paid")
    assert (closed["payments_amount_received"], closed["payments_count_received"]) == (30_000, 1)
    assert (await razorpay.get(f"/payments/qr_codes/{code['id']}/payments")).json()["items"] == [payment]
    assert (await razorpay.get(f"/payments/{payment['id']}")).json() == payment

    again = await scan(person, code)
    assert again.status_code == 400
    assert (await razorpay.get("/payments")).json()["count"] == 1
    await sandbox.deliver_due()
    assert receiver.events == [
        "qr_code.created",
        "payment.authorized",
        "payment.captured",
        "qr_code.credited",
        "qr_code.closed",
    ]
    credited = json.loads(receiver.taken[3].body)
    assert credited["contains"] == ["payment", "qr_code"]
    assert credited["payload"]["qr_code"]["entity"]["payments_count_received"] == 1


async def test_a_code_for_any_amount_takes_many_payments_until_it_is_closed(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    code = await qr_of(razorpay, **ANY)
    assert (code["payment_amount"], code["close_by"]) == (None, None)
    assert (await scan(person, code)).status_code == 400
    for amount in (100, 250_000):
        assert (await scan(person, code, amount=amount)).json()["amount"] == amount
    closed = (await razorpay.post(f"/payments/qr_codes/{code['id']}/close")).json()
    assert (closed["status"], closed["close_reason"], closed["payments_amount_received"]) == (
        "closed",
        "on_demand",
        250_100,
    )
    assert (await scan(person, code, amount=100)).status_code == 400
    assert (await razorpay.post(f"/payments/qr_codes/{code['id']}/close")).status_code == 400
    assert (await razorpay.get(f"/payments/qr_codes/{code['id']}/payments")).json()["count"] == 2


async def test_a_fixed_code_takes_no_other_amount(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    code = await qr_of(razorpay, **SINGLE)
    assert (await scan(person, code, amount=29_999)).status_code == 400
    assert (await razorpay.get(f"/payments/qr_codes/{code['id']}")).json()["status"] == "active"
    assert (await razorpay.get("/payments")).json()["count"] == 0


async def test_a_single_use_code_closes_by_itself_at_close_by(
    razorpay: httpx.AsyncClient, clock: ManualClock, sandbox: Sandbox, receiver: Receiver
) -> None:
    late = await qr_of(razorpay, **SINGLE, close_by=clock.at_ms // 1000 + 90_000)
    assert late["close_by"] == clock.at_ms // 1000 + 7200
    soon = await qr_of(razorpay, **SINGLE, close_by=clock.at_ms // 1000 + 120)
    clock.advance(119)
    await sandbox.deliver_due()
    assert (await razorpay.get(f"/payments/qr_codes/{soon['id']}")).json()["status"] == "active"
    clock.advance(1)
    await sandbox.deliver_due()
    closed = (await razorpay.get(f"/payments/qr_codes/{soon['id']}")).json()
    assert (closed["status"], closed["close_reason"], closed["closed_at"]) == (
        "closed",
        None,
        clock.at_ms // 1000,
    )
    assert receiver.events[-1] == "qr_code.closed"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"fixed_amount": False, "payment_amount": None}, "fixed_amount"),
        ({"payment_amount": None}, "payment_amount"),
        ({"fixed_amount": False}, "payment_amount"),
        ({"payment_amount": 0}, "payment_amount"),
        ({"type": "paper"}, "type"),
        ({"close_by": 1_800_000_000 + 119}, "close_by"),
        ({"usage": "multiple_use", "close_by": 1_800_000_000 + 300}, "close_by"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_a_bad_qr_code_is_refused(razorpay: httpx.AsyncClient, change: dict[str, Any], field: str) -> None:
    response = await razorpay.post("/payments/qr_codes", json={**SINGLE, **change})
    assert (response.status_code, response.json()["error"]["field"]) == (400, field)
    assert (await razorpay.get("/payments/qr_codes")).json()["count"] == 0


async def test_the_list_finds_the_code_of_a_payment(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    first, second = await qr_of(razorpay, **SINGLE), await qr_of(razorpay, **ANY, customer_id="cust_1")
    payment = (await scan(person, first)).json()

    async def found(**query: str) -> list[str]:
        return [code["id"] for code in (await razorpay.get("/payments/qr_codes", params=query)).json()["items"]]

    assert await found() == [second["id"], first["id"]]
    assert await found(payment_id=payment["id"]) == [first["id"]]
    assert await found(customer_id="cust_1") == [second["id"]]


async def test_a_qr_payment_can_be_refunded(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, clock: ManualClock
) -> None:
    payment = (await scan(person, await qr_of(razorpay, **SINGLE))).json()
    await razorpay.post(f"/payments/{payment['id']}/refund", json={"amount": 10_000})
    await pass_time(sandbox, clock, 120)
    assert (await razorpay.get(f"/payments/{payment['id']}")).json()["refund_status"] == "partial"
