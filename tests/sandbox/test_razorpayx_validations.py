import json
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Receiver
from tests.sandbox.test_razorpayx import BANK, fund_account, pass_time
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings

URL = "/fund_accounts/validations"


async def begin(razorpay: httpx.AsyncClient, settings: SandboxSettings, account: str, **change: Any) -> httpx.Response:
    body = {
        "account_number": settings.razorpayx_account_number,
        "fund_account": {"id": account},
        "amount": 100,
        "currency": "INR",
        **change,
    }
    return await razorpay.post(URL, json=body)


async def on_account(person: httpx.AsyncClient) -> int:
    amount: int = (await person.get("/_sandbox/razorpay/balance")).json()["amount"]
    return amount


async def test_a_validation_has_the_documented_fields_and_carries_its_fund_account(
    razorpay: httpx.AsyncClient, settings: SandboxSettings, contact: str, clock: ManualClock
) -> None:
    account = await fund_account(razorpay, contact, bank_account=BANK)
    made = (await begin(razorpay, settings, account, notes={"a": "b"})).json()
    assert (await razorpay.get(f"{URL}/{made['id']}")).json() == made
    assert made.pop("id").startswith("fav_")
    assert made.pop("utr").isdigit()
    assert made == {
        "entity": "fund_account.validation",
        "fund_account": (await razorpay.get(f"/fund_accounts/{account}")).json(),
        "status": "created",
        "amount": 100,
        "currency": "INR",
        "notes": {"a": "b"},
        "results": {"account_status": None, "registered_name": None},
        "created_at": clock.at_ms // 1000,
    }


@pytest.mark.parametrize(
    ("where", "status", "results", "kept"),
    [
        ({"bank_account": BANK}, "completed", ("active", "Asha Kumar"), 100),
        ({"bank_account": {**BANK, "account_number": "12345000001"}}, "completed", ("invalid", None), 0),
        ({"bank_account": {**BANK, "account_number": "12345000007"}}, "completed", ("active", "Someone Else"), 100),
        ({"bank_account": {**BANK, "account_number": "12345000008"}}, "failed", (None, None), 0),
        ({"bank_account": {**BANK, "account_number": "12345000009"}}, "created", (None, None), 100),
        ({"vpa": {"address": "asha.kumar@okhdfc"}}, "completed", ("active", "Asha Kumar"), 0),
        ({"vpa": {"address": "failure@razorpay"}}, "completed", ("invalid", None), 0),
        ({"vpa": {"address": "othername@razorpay"}}, "completed", ("active", "Someone Else"), 0),
        ({"vpa": {"address": "offline@razorpay"}}, "failed", (None, None), 0),
        ({"vpa": {"address": "silent@razorpay"}}, "created", (None, None), 0),
    ],
)
async def test_what_the_bank_says_of_a_destination(
    *,
    razorpay: httpx.AsyncClient,
    settings: SandboxSettings,
    contact: str,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    receiver: Receiver,
    clock: ManualClock,
    where: dict[str, Any],
    status: str,
    results: tuple[str | None, str | None],
    kept: int,
) -> None:
    made = (await begin(razorpay, settings, await fund_account(razorpay, contact, **where))).json()
    assert made["status"] == "created"
    await pass_time(sandbox, clock, 60)
    found = (await razorpay.get(f"{URL}/{made['id']}")).json()
    assert found["status"] == status
    assert (found["results"]["account_status"], found["results"]["registered_name"]) == results
    assert await on_account(person) == settings.razorpayx_opening_balance - kept
    told = [json.loads(taken.body) for taken in receiver.taken]
    answers = [event for event in told if event["event"].startswith("fund_account.validation.")]
    if status == "created":
        assert answers == []
    else:
        assert [event["event"] for event in answers] == [f"fund_account.validation.{status}"]
        assert answers[0]["payload"] == {"fund_account.validation": {"entity": found}}


@pytest.mark.parametrize("finding", ["active", "other_name", "invalid", "failed"])
async def test_a_silent_bank_can_be_made_to_answer_once(
    razorpay: httpx.AsyncClient, settings: SandboxSettings, contact: str, person: httpx.AsyncClient, finding: str
) -> None:
    account = await fund_account(razorpay, contact, vpa={"address": "silent@razorpay"})
    made = (await begin(razorpay, settings, account)).json()
    url = f"/_sandbox/razorpay/validations/{made['id']}"
    assert (await person.post(f"{url}/{finding}")).json()["status"] == (
        "failed" if finding == "failed" else "completed"
    )
    answered = (await razorpay.get(f"{URL}/{made['id']}")).json()
    assert (await person.post(f"{url}/invalid")).status_code == 409
    assert (await razorpay.get(f"{URL}/{made['id']}")).json() == answered


@pytest.mark.parametrize(
    "change", [{"account_number": "1"}, {"amount": 99}, {"currency": "USD"}, {"fund_account": {"id": "fa_nobody"}}]
)
async def test_a_bad_validation_is_refused_and_nothing_moves(
    razorpay: httpx.AsyncClient,
    settings: SandboxSettings,
    contact: str,
    person: httpx.AsyncClient,
    change: dict[str, Any],
) -> None:
    account = await fund_account(razorpay, contact, bank_account=BANK)
    assert (await begin(razorpay, settings, account, **change)).status_code == 400
    assert await on_account(person) == settings.razorpayx_opening_balance
    listed = await razorpay.get(URL, params={"account_number": settings.razorpayx_account_number})
    assert listed.json()["count"] == 0


async def test_too_little_money_or_an_inactive_account_is_refused(
    razorpay: httpx.AsyncClient, settings: SandboxSettings, contact: str, person: httpx.AsyncClient
) -> None:
    account = await fund_account(razorpay, contact, bank_account=BANK)
    await person.put("/_sandbox/razorpay/balance", params={"amount": 99})
    poor = await begin(razorpay, settings, account)
    assert (poor.status_code, poor.json()["error"]["reason"]) == (400, "insufficient_funds")
    await person.put("/_sandbox/razorpay/balance", params={"amount": 1_000})
    await razorpay.patch(f"/fund_accounts/{account}", json={"active": False})
    assert (await begin(razorpay, settings, account)).status_code == 400
    assert await on_account(person) == 1_000
