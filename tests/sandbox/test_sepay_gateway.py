"""SePay's payment gateway: the signed form, paying, the IPN, and orders."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Receiver
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.sepay.signing import checkout_signature
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.transport import SandboxTransport

SHOP = "http://127.0.0.1:8000"


def form_of(settings: SandboxSettings, **changes: str) -> dict[str, str]:
    fields = {
        "merchant": settings.sepay_pg_merchant_id,
        "operation": "PURCHASE",
        "order_amount": "100000",
        "currency": "VND",
        "order_invoice_number": "INV-1",
        "order_description": "Goi Pro",
        "success_url": f"{SHOP}/ok",
        "error_url": f"{SHOP}/bad",
        "cancel_url": f"{SHOP}/left",
        **changes,
    }
    return {**fields, "signature": checkout_signature(settings.sepay_pg_secret_key, fields.items())}


@pytest.fixture
async def pg(sandbox: Sandbox, settings: SandboxSettings) -> AsyncIterator[httpx.AsyncClient]:
    """The merchant's client of the gateway."""
    auth = (settings.sepay_pg_merchant_id, settings.sepay_pg_secret_key)
    transport = SandboxTransport(sandbox)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox/sepay/pg/v1", auth=auth) as client:
        yield client


async def begun(person: httpx.AsyncClient, settings: SandboxSettings, **changes: str) -> str:
    started = await person.post("/sepay/pg/v1/checkout/init", data=form_of(settings, **changes))
    assert started.status_code == 303, started.text
    location: str = started.headers["location"]
    return location


def notices(receiver: Receiver) -> list[dict[str, Any]]:
    """IPNs, which come to the same address as the bank's webhooks and are told apart by what they say."""
    told = [(json.loads(taken.body), taken.headers) for taken in receiver.taken]
    found = [(body, headers) for body, headers in told if "notification_type" in body]
    assert all(headers["x-secret-key"] == "spsk_test_tillhouse" for _, headers in found)
    return [body for body, _ in found]


def test_the_checkout_signature_is_the_fact_sheets_vector() -> None:
    fields = {
        "merchant": "SP-TEST-0001",
        "operation": "PURCHASE",
        "payment_method": "BANK_TRANSFER",
        "order_amount": "100000",
        "currency": "VND",
        "order_invoice_number": "INV-1",
        "order_description": "Test order",
        "success_url": "https://example.com/ok",
        "custom_data": "not signed",
    }
    signature = "HVKLNtyFoO7KTHay75fVqf0ojWETgjSt7SVvU8jUcbM="
    assert checkout_signature("spsk_test_secret", fields.items()) == signature
    assert checkout_signature("spsk_test_secret", reversed(fields.items())) != signature


async def test_a_signed_form_leads_to_the_pay_page(person: httpx.AsyncClient, settings: SandboxSettings) -> None:
    location = await begun(person, settings)
    assert location == "/_sandbox/sepay/pay/INV-1"
    page = await person.get(location)
    for words in ("100.000", "Goi Pro", "Bank transfer", "Card", "no real money"):
        assert words in page.text
    assert f"form-action 'self' {SHOP};" in page.headers["content-security-policy"]
    assert (await person.get(f"{location}/qr.png")).content.startswith(b"\x89PNG")
    assert await begun(person, settings) == location


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"signature": "AAAA"}, 403),
        ({"order_amount": "1"}, 403),
        ({"merchant": "SP-OTHER"}, 403),
        ({"currency": "USD"}, 422),
        ({"order_amount": "many"}, 422),
    ],
)
async def test_a_form_that_was_changed_is_refused(
    person: httpx.AsyncClient, settings: SandboxSettings, changes: dict[str, str], status: int
) -> None:
    refused = await person.post("/sepay/pg/v1/checkout/init", data={**form_of(settings), **changes})
    assert refused.status_code == status
    assert (await person.get("/_sandbox/sepay/orders")).json()["items"] == []


async def test_a_form_leads_nowhere_but_to_this_machine(person: httpx.AsyncClient, settings: SandboxSettings) -> None:
    form = form_of(settings, success_url="https://elsewhere.example/ok")
    assert (await person.post("/sepay/pg/v1/checkout/init", data=form)).status_code == 422


async def test_paying_by_card_goes_back_to_the_shop_and_is_told(
    *,
    person: httpx.AsyncClient,
    pg: httpx.AsyncClient,
    settings: SandboxSettings,
    sandbox: Sandbox,
    receiver: Receiver,
) -> None:
    page = await begun(person, settings, custom_data="abc")
    assert (await pg.get("/order/detail/INV-1")).json()["data"]["order_status"] == "PENDING"
    paid = await person.post(page, data={"method": "CARD", "outcome": "success"})
    assert (paid.status_code, paid.headers["location"]) == (303, f"{SHOP}/ok")
    await sandbox.deliver_due()
    [notice] = notices(receiver)
    assert notice["notification_type"] == "ORDER_PAID"
    order, transaction = notice["order"], notice["transaction"]
    assert (order["order_amount"], order["order_status"], order["custom_data"]) == ("100000.00", "CAPTURED", "abc")
    assert (transaction["transaction_amount"], transaction["transaction_status"]) == ("100000", "APPROVED")
    assert (transaction["payment_method"], transaction["card_brand"]) == ("CARD", "MASTERCARD")
    detail = (await pg.get("/order/detail/INV-1")).json()["data"]
    assert detail["transactions"][0]["id"] == transaction["id"]
    assert (await pg.get(f"/order/detail/{detail['order_id']}")).json()["data"] == detail

    again = await person.post("/sepay/pg/v1/checkout/init", data=form_of(settings))
    assert again.status_code == 422


async def test_declined_or_left_the_order_still_waits(
    person: httpx.AsyncClient, pg: httpx.AsyncClient, settings: SandboxSettings, sandbox: Sandbox, receiver: Receiver
) -> None:
    page = await begun(person, settings)
    assert f'href="{SHOP}/left">Leave without paying' in (await person.get(page)).text
    declined = await person.post(page, data={"method": "CARD", "outcome": "failure"})
    assert declined.headers["location"] == f"{SHOP}/bad"
    left = await person.post("/_sandbox/sepay/orders/INV-1/pay", json={"outcome": "abandoned"})
    assert left.json()["order_status"] == "PENDING"
    await sandbox.deliver_due()
    assert receiver.taken == []
    assert (await pg.get("/order/detail/INV-1")).json()["data"]["order_status"] == "PENDING"


async def test_a_transfer_that_names_the_order_and_is_exact_pays_it(
    person: httpx.AsyncClient, pg: httpx.AsyncClient, settings: SandboxSettings, sandbox: Sandbox, receiver: Receiver
) -> None:
    await begun(person, settings)
    order_id = (await pg.get("/order/detail/INV-1")).json()["data"]["order_id"]
    for amount, content in ((99_999, order_id), (100_000, "nothing")):
        await person.post("/_sandbox/sepay/transfers", json={"amount": amount, "content": content})
    assert (await pg.get("/order/detail/INV-1")).json()["data"]["order_status"] == "PENDING"
    await person.post("/_sandbox/sepay/transfers", json={"amount": 100_000, "content": f"CK {order_id.lower()}"})
    await sandbox.deliver_due()
    assert [notice["transaction"]["payment_method"] for notice in notices(receiver)] == ["BANK_TRANSFER"]
    assert len(receiver.taken) == 4


@pytest.mark.parametrize("method", ["CARD", "BANK_TRANSFER"])
async def test_the_twin_pays_once(
    person: httpx.AsyncClient, settings: SandboxSettings, sandbox: Sandbox, receiver: Receiver, method: str
) -> None:
    await begun(person, settings)
    wish = {"method": method, "outcome": "success"}
    paid = await person.post("/_sandbox/sepay/orders/INV-1/pay", json=wish)
    assert paid.json()["order_status"] == "CAPTURED"
    assert (await person.post("/_sandbox/sepay/orders/INV-1/pay", json=wish)).status_code == 409
    await sandbox.deliver_due()
    assert len(notices(receiver)) == 1


async def test_a_card_payment_can_be_voided_and_a_waiting_order_cancelled(
    person: httpx.AsyncClient, pg: httpx.AsyncClient, settings: SandboxSettings, sandbox: Sandbox, receiver: Receiver
) -> None:
    for invoice in ("INV-1", "INV-2"):
        await begun(person, settings, order_invoice_number=invoice)
    await person.post("/_sandbox/sepay/orders/INV-1/pay", json={"method": "CARD"})
    assert (await pg.post("/order/cancel", json={"order_invoice_number": "INV-1"})).status_code == 422
    assert (await pg.post("/order/voidTransaction", json={"order_invoice_number": "INV-2"})).status_code == 422
    assert (await pg.post("/order/voidTransaction", json={"order_invoice_number": "INV-1"})).status_code == 200
    assert (await pg.post("/order/cancel", json={"order_invoice_number": "INV-2"})).status_code == 200
    assert (await person.post("/_sandbox/sepay/orders/INV-2/pay", json={})).status_code == 409
    await sandbox.deliver_due()
    assert [notice["notification_type"] for notice in notices(receiver)] == ["ORDER_PAID", "TRANSACTION_VOID"]
    assert (await pg.post("/order/cancel", json={"order_invoice_number": "INV-9"})).status_code == 404


async def test_orders_are_listed_in_pages_and_found(
    person: httpx.AsyncClient, pg: httpx.AsyncClient, settings: SandboxSettings, clock: ManualClock
) -> None:
    for number in range(3):
        await begun(person, settings, order_invoice_number=f"INV-{number}")
    clock.advance(24 * 3600)
    await begun(person, settings, order_invoice_number="LATER")
    page = (await pg.get("/order", params={"per_page": 3, "sort[created_at]": "asc"})).json()
    assert [order["order_invoice_number"] for order in page["data"]] == ["INV-0", "INV-1", "INV-2"]
    assert page["meta"] == {"per_page": 3, "total": 4, "has_more": True, "current_page": 1, "page_count": 2}
    found = (await pg.get("/order", params={"q": "inv-1"})).json()
    assert found["meta"]["total"] == 1
    assert (await pg.get("/order", params={"from_created_at": "2027-01-16"})).json()["meta"]["total"] == 1


async def test_only_the_merchant_reads_orders(person: httpx.AsyncClient, settings: SandboxSettings) -> None:
    await begun(person, settings)
    for auth in (None, (settings.sepay_pg_merchant_id, "wrong")):
        refused = await person.get("/sepay/pg/v1/order/detail/INV-1", auth=auth)
        assert (refused.status_code, refused.json()["error_code"]) == (401, "unauthorized")


async def test_amount_off_changes_the_ipns_decimal_amounts(
    person: httpx.AsyncClient, settings: SandboxSettings, sandbox: Sandbox, receiver: Receiver
) -> None:
    await begun(person, settings)
    await person.post("/_sandbox/faults", json={"provider": "sepay_pg", "fault": "amount_off"})
    await person.post("/_sandbox/sepay/orders/INV-1/pay", json={"method": "CARD"})
    await sandbox.deliver_due()
    [notice] = notices(receiver)
    assert notice["order"]["order_amount"] == "100100.00"
    assert notice["transaction"]["transaction_amount"] == "100100"
