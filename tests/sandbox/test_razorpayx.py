from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.sandbox.conftest import Receiver
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings

BANK = {"name": "Asha Kumar", "ifsc": "HDFC0000053", "account_number": "765432123456789"}


async def fund_account(razorpay: httpx.AsyncClient, contact: str, **where: Any) -> str:
    kind = next(iter(where))
    response = await razorpay.post("/fund_accounts", json={"contact_id": contact, "account_type": kind, **where})
    assert response.status_code == 200, response.text
    identifier: str = response.json()["id"]
    return identifier


async def create(
    razorpay: httpx.AsyncClient,
    settings: SandboxSettings,
    fund_account_id: str,
    *,
    key: str | None = None,
    **extra: Any,
) -> httpx.Response:
    body = {
        "account_number": settings.razorpayx_account_number,
        "fund_account_id": fund_account_id,
        "amount": 10_000,
        "currency": "INR",
        "mode": "UPI",
        "purpose": "payout",
        **extra,
    }
    return await razorpay.post("/payouts", json=body, headers={"X-Payout-Idempotency": key or str(uuid4())})


async def vpa_payout(
    razorpay: httpx.AsyncClient, settings: SandboxSettings, contact: str, vpa: str, **extra: Any
) -> dict[str, Any]:
    account = await fund_account(razorpay, contact, vpa={"address": vpa})
    response = await create(razorpay, settings, account, **extra)
    assert response.status_code == 200, response.text
    payout: dict[str, Any] = response.json()
    return payout


async def status(razorpay: httpx.AsyncClient, payout: dict[str, Any]) -> str:
    found: str = (await razorpay.get(f"/payouts/{payout['id']}")).json()["status"]
    return found


async def pass_time(sandbox: Sandbox, clock: ManualClock, provider_seconds: float) -> None:
    clock.advance(provider_seconds / 60)
    await sandbox.deliver_due()


async def test_the_same_contact_and_destination_twice_are_the_same_objects(
    razorpay: httpx.AsyncClient, contact: str
) -> None:
    again = await razorpay.post("/contacts", json={"name": "Asha Kumar", "type": "customer", "reference_id": "u1"})
    other = await razorpay.post("/contacts", json={"name": "Asha Kumar", "type": "customer", "reference_id": "u2"})
    assert again.json()["id"] == contact != other.json()["id"]

    first = await fund_account(razorpay, contact, bank_account=BANK)
    assert await fund_account(razorpay, contact, bank_account=BANK) == first
    account = (await razorpay.get(f"/fund_accounts/{first}")).json()
    assert account["bank_account"] == {**BANK, "bank_name": "HDFC Bank", "notes": []}
    assert "vpa" not in account


@pytest.mark.parametrize(
    "where",
    [
        {"bank_account": {**BANK, "ifsc": "HDFC1000053"}},
        {"bank_account": {**BANK, "account_number": "12"}},
        {"vpa": {"address": "no-handle"}},
    ],
)
async def test_a_bad_destination_is_refused(razorpay: httpx.AsyncClient, contact: str, where: dict[str, Any]) -> None:
    body = {"contact_id": contact, "account_type": next(iter(where)), **where}
    assert (await razorpay.post("/fund_accounts", json=body)).status_code == 400
    assert (await razorpay.get("/fund_accounts")).json()["count"] == 0


async def test_a_payout_is_processing_then_processed_with_a_utr_and_its_events(
    *,
    razorpay: httpx.AsyncClient,
    settings: SandboxSettings,
    contact: str,
    sandbox: Sandbox,
    clock: ManualClock,
    receiver: Receiver,
) -> None:
    payout = await vpa_payout(razorpay, settings, contact, "asha@okhdfc", reference_id="w-1", narration="Withdrawal 1")
    assert (payout["status"], payout["utr"], payout["fees"], payout["tax"]) == ("processing", None, 590, 90)
    assert set(payout["status_details"]) == {"description", "source", "reason"}

    await pass_time(sandbox, clock, 180)
    found = (await razorpay.get(f"/payouts/{payout['id']}")).json()
    assert (found["status"], found["status_details"]["reason"]) == ("processed", "payout_processed")
    assert found["utr"].isdigit()
    assert receiver.events == ["payout.initiated", "transaction.created", "payout.processed"]
    assert {taken.path for taken in receiver.taken} == {"/api/v1/payments/webhook/razorpayx"}
    query = {"account_number": settings.razorpayx_account_number, "reference_id": "w-1"}
    assert [p["id"] for p in (await razorpay.get("/payouts", params=query)).json()["items"]] == [payout["id"]]


async def test_an_idempotency_key_is_required_and_makes_one_payout(
    razorpay: httpx.AsyncClient, settings: SandboxSettings, contact: str, sandbox: Sandbox, clock: ManualClock
) -> None:
    account = await fund_account(razorpay, contact, vpa={"address": "asha@okhdfc"})
    first = await create(razorpay, settings, account, key="withdrawal-1")
    await pass_time(sandbox, clock, 180)

    missing = await razorpay.post("/payouts", json=_body(first.request))
    assert (missing.status_code, missing.json()["error"]["field"]) == (400, "X-Payout-Idempotency")
    again = await create(razorpay, settings, account, key="withdrawal-1")
    assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], "processed")
    other = await create(razorpay, settings, account, key="withdrawal-1", amount=20_000)
    assert (other.status_code, other.json()["error"]["field"]) == (400, "X-Payout-Idempotency")
    assert (await create(razorpay, settings, account, key="abc")).status_code == 400

    query = {"account_number": settings.razorpayx_account_number}
    assert (await razorpay.get("/payouts", params=query)).json()["count"] == 1


@pytest.mark.parametrize(
    ("vpa", "path"),
    [
        ("success@razorpay", ["processing", "processed", "processed"]),
        ("failure@razorpay", ["processing", "failed", "failed"]),
        ("reversed@razorpay", ["processing", "processed", "reversed"]),
        ("returned@razorpay", ["processing", "reversed", "reversed"]),
        ("stuck@razorpay", ["processing", "processing", "processing"]),
        ("queued@razorpay", ["queued", "queued", "queued"]),
    ],
)
async def test_what_a_vpa_brings_about(
    *,
    razorpay: httpx.AsyncClient,
    settings: SandboxSettings,
    contact: str,
    sandbox: Sandbox,
    clock: ManualClock,
    vpa: str,
    path: list[str],
) -> None:
    payout = await vpa_payout(razorpay, settings, contact, vpa)
    seen = [await status(razorpay, payout)]
    for wait in (180, 600):
        await pass_time(sandbox, clock, wait)
        seen.append(await status(razorpay, payout))
    assert seen == path


@pytest.mark.parametrize(
    ("ending", "end"),
    [
        ("000001", "failed"),
        ("000002", "reversed"),
        ("000003", "processing"),
        ("000004", "queued"),
        ("000005", "reversed"),
    ],
)
async def test_what_an_account_number_brings_about(
    *,
    razorpay: httpx.AsyncClient,
    settings: SandboxSettings,
    contact: str,
    sandbox: Sandbox,
    clock: ManualClock,
    ending: str,
    end: str,
) -> None:
    account = await fund_account(razorpay, contact, bank_account={**BANK, "account_number": f"12345{ending}"})
    payout = (await create(razorpay, settings, account, mode="IMPS")).json()
    for wait in (180, 600):
        await pass_time(sandbox, clock, wait)
    assert await status(razorpay, payout) == end


async def test_money_leaves_the_account_and_comes_back_when_it_does_not_arrive(
    razorpay: httpx.AsyncClient, settings: SandboxSettings, contact: str, person: httpx.AsyncClient
) -> None:
    payout = await vpa_payout(razorpay, settings, contact, "stuck@razorpay")
    opening = settings.razorpayx_opening_balance
    assert (await person.get("/_sandbox/razorpay/balance")).json()["amount"] == opening - 10_590

    await person.post(f"/_sandbox/razorpay/payouts/{payout['id']}/process")
    await person.post(f"/_sandbox/razorpay/payouts/{payout['id']}/reverse")
    assert (await person.get("/_sandbox/razorpay/balance")).json()["amount"] == opening
    refused = await person.post(f"/_sandbox/razorpay/payouts/{payout['id']}/process")
    assert refused.status_code == 409


async def test_too_little_money_is_an_error_or_a_queue(
    *,
    razorpay: httpx.AsyncClient,
    settings: SandboxSettings,
    contact: str,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    receiver: Receiver,
) -> None:
    await person.put("/_sandbox/razorpay/balance", params={"amount": 10_000})
    account = await fund_account(razorpay, contact, vpa={"address": "asha@okhdfc"})
    refused = await create(razorpay, settings, account)
    assert (refused.status_code, refused.json()["error"]["reason"]) == (400, "insufficient_funds")

    queued = (await create(razorpay, settings, account, queue_if_low_balance=True)).json()
    assert (queued["status"], queued["status_details"]["reason"]) == ("queued", "low_balance")
    await person.put("/_sandbox/razorpay/balance", params={"amount": 1_000_000})
    assert await status(razorpay, queued) == "processing"
    await sandbox.deliver_due()
    moves = [event for event in receiver.events if event.startswith("payout.")]
    assert moves == ["payout.queued", "payout.initiated"]


async def test_only_a_queued_payout_can_be_cancelled(
    razorpay: httpx.AsyncClient, settings: SandboxSettings, contact: str
) -> None:
    queued = await vpa_payout(razorpay, settings, contact, "queued@razorpay")
    moving = await vpa_payout(razorpay, settings, contact, "stuck@razorpay")
    assert (await razorpay.post(f"/payouts/{queued['id']}/cancel")).json()["status"] == "cancelled"
    assert (await razorpay.post(f"/payouts/{moving['id']}/cancel")).status_code == 400


async def test_the_composite_form_makes_contact_and_fund_account_on_the_way(
    razorpay: httpx.AsyncClient, settings: SandboxSettings
) -> None:
    body = {
        "account_number": settings.razorpayx_account_number,
        "fund_account": {
            "account_type": "bank_account",
            "bank_account": BANK,
            "contact": {"name": "Asha Kumar", "type": "customer"},
        },
        "amount": 10_000,
        "currency": "INR",
        "mode": "NEFT",
        "purpose": "payout",
    }
    payout = (await razorpay.post("/payouts", json=body, headers={"X-Payout-Idempotency": "composite-1"})).json()
    account = (await razorpay.get(f"/fund_accounts/{payout['fund_account_id']}")).json()
    assert account["bank_account"]["account_number"] == BANK["account_number"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "upi"},
        {"mode": "IMPS"},
        {"amount": 99},
        {"narration": "no-hyphen"},
        {"account_number": "1"},
        {"currency": "USD"},
    ],
)
async def test_a_bad_payout_is_refused_and_nothing_moves(
    razorpay: httpx.AsyncClient,
    settings: SandboxSettings,
    contact: str,
    person: httpx.AsyncClient,
    wrong: dict[str, Any],
) -> None:
    account = await fund_account(razorpay, contact, vpa={"address": "asha@okhdfc"})
    assert (await create(razorpay, settings, account, **wrong)).status_code == 400
    assert (await person.get("/_sandbox/razorpay/balance")).json()["amount"] == settings.razorpayx_opening_balance


def _body(request: httpx.Request) -> dict[str, Any]:
    body: dict[str, Any] = httpx.Response(200, content=request.content).json()
    return body
