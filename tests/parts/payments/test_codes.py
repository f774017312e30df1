"""Codes for banking apps: each pays one order once, and closes when it is paid or its time is over."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from tests.parts.payments.test_endpoints import Caller, someone, token_of
from tests.parts.payments.till import Till, open_till
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity.models import PersonRow
from tillhouse.sandbox.razorpay.qr_codes import QrCode

WISH = {"amount": "150.00", "currency": "INR"}


@pytest.fixture
async def till(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    async with open_till(settings) as opened:
        yield opened


async def comes_back(till: Till, caller: Caller) -> None:
    """A token lives for a quarter of an hour."""
    async with till.house.database.transaction() as session:
        row = await session.get(PersonRow, caller.id)
        assert row
        caller.token = await token_of(session, row, 1)


async def test_a_code_is_paid_once_and_closes(till: Till) -> None:
    asha, ravi = await someone(till), await someone(till, "Ravi Das")
    made = await asha.post("/payments/create-qr", WISH, key="form")
    assert made.status_code == 201, made.text
    code = made.json()
    (outside,) = till.sandbox.world.store.find(QrCode)
    assert (code["status"], code["order_status"], code["method"]) == ("active", "pending", "upi_qr")
    assert code["image_url"] == outside.image_url
    assert datetime.fromisoformat(code["expires_at"]).timestamp() == outside.close_by
    assert (await asha.post("/payments/create-qr", WISH, key="form")).json() == code
    assert len(till.sandbox.world.store.find(QrCode)) == 1, "the same key is the same code"
    assert (await asha.get(f"/payments/qr-codes/{code['id']}")).json() == code
    assert (await ravi.get(f"/payments/qr-codes/{code['id']}")).status_code == 404

    assert (await till.outside("POST", f"/_sandbox/razorpay/qr_codes/{outside.id}/pay", {})).status_code == 200
    await till.quiet()
    paid = (await asha.get(f"/payments/qr-codes/{code['id']}")).json()
    assert (paid["status"], paid["order_status"], paid["message"]) == ("closed", "captured", "Paid.")
    assert (paid["qr"], paid["image_url"]) == (None, None)
    assert asha.id
    assert await till.wallet(asha.id) == "150.00"
    (outside,) = till.sandbox.world.store.find(QrCode)
    assert (outside.status, outside.close_reason) == ("closed", "paid")
    assert (await till.outside("POST", f"/_sandbox/razorpay/qr_codes/{outside.id}/pay", {})).status_code == 400


async def test_a_code_that_is_not_paid_in_time_closes_here_and_there(till: Till) -> None:
    till.change_settings(order_minutes=300)  # longer than Razorpay keeps a code open
    asha = await someone(till)
    code = (await asha.post("/payments/create-qr", WISH)).json()
    ends = datetime.fromisoformat(code["expires_at"])
    assert ends == till.at.at + timedelta(hours=2)
    till.at.advance(timedelta(hours=2))
    till.sandbox_clock.advance(2 * 3600)
    await till.quiet()
    await comes_back(till, asha)
    late = (await asha.get(f"/payments/qr-codes/{code['id']}")).json()
    assert (late["status"], late["order_status"], late["image_url"]) == ("closed", "pending", None)
    await till.pass_time(timedelta(hours=4), step=timedelta(hours=1))
    await comes_back(till, asha)
    over = (await asha.get(f"/payments/qr-codes/{code['id']}")).json()
    assert (over["status"], over["order_status"]) == ("closed", "expired")
    (outside,) = till.sandbox.world.store.find(QrCode)
    assert outside.status == "closed"
    assert asha.id
    assert await till.wallet(asha.id) == "0.00"


async def test_the_currency_says_whose_code_it_is(till: Till) -> None:
    asha = await someone(till)
    thai = (await asha.post("/payments/create-qr", {"amount": "150.00", "currency": "THB"})).json()
    dong = (await asha.post("/payments/create-qr", {"amount": "449000", "currency": "VND"})).json()
    assert (thai["method"], thai["status"]) == ("promptpay", "active")
    assert thai["image_url"]
    assert (dong["method"], dong["provider"], dong["amount"]) == ("bank_transfer", "sepay", "449000")
    assert dong["qr"].startswith("000201")
    assert dong["image_url"].startswith("data:image/svg+xml")
    refused = await asha.post("/payments/create-qr", {"amount": "5.00", "currency": "USD"})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "method_not_offered")
    assert (await asha.call("POST", "/payments/create-qr", WISH)).status_code == 400, "a key is required"
    foreign = await asha.post("/payments/create-qr", {**WISH, "purpose": "not_for_sale"})
    assert foreign.json()["errors"][0]["code"] == "unknown_purpose"
