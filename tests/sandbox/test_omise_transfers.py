"""Omise's recipients and transfers: what they come to by themselves."""

import json
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Receiver
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings

DAY = 24 * 3600


async def recipient(omise: httpx.AsyncClient, number: str = "1234567890") -> str:
    account = {"brand": "kbank", "number": number, "name": "SOMCHAI PRASERT"}
    response = await omise.post("/recipients", json={"name": "Somchai", "type": "individual", "bank_account": account})
    assert response.status_code == 200, response.text
    made: str = response.json()["id"]
    return made


async def verified(omise: httpx.AsyncClient, person: httpx.AsyncClient, number: str = "1234567890") -> str:
    made = await recipient(omise, number)
    await person.post(f"/_sandbox/omise/recipients/{made}/verify")
    return made


async def transfer(omise: httpx.AsyncClient, to: str, **extra: Any) -> dict[str, Any]:
    response = await omise.post("/transfers", json={"amount": 100_000, "recipient": to, **extra})
    assert response.status_code == 200, response.text
    made: dict[str, Any] = response.json()
    return made


async def pass_time(sandbox: Sandbox, clock: ManualClock, provider_seconds: float) -> None:
    clock.advance(provider_seconds / 60)
    await sandbox.deliver_due()


async def test_a_recipient_is_verified_after_two_days(
    omise: httpx.AsyncClient, sandbox: Sandbox, clock: ManualClock, receiver: Receiver
) -> None:
    made = await recipient(omise)
    await pass_time(sandbox, clock, 2 * DAY - 60)
    assert (await omise.get(f"/recipients/{made}")).json()["verified"] is False
    await pass_time(sandbox, clock, 60)
    found = (await omise.get(f"/recipients/{made}")).json()
    assert (found["verified"], found["active"]) == (True, True)
    assert found["verified_at"] is not None
    keys = [json.loads(taken.body)["key"] for taken in receiver.taken]
    assert keys == ["recipient.create", "recipient.verify", "recipient.activate"]
    assert "number" not in found["bank_account"]


@pytest.mark.parametrize(("number", "code"), [("1234569001", "account_not_found"), ("1234569002", "name_mismatch")])
async def test_a_wrong_account_is_never_verified_until_it_is_changed(
    omise: httpx.AsyncClient, person: httpx.AsyncClient, number: str, code: str
) -> None:
    made = await verified(omise, person, number)
    found = (await omise.get(f"/recipients/{made}")).json()
    assert (found["verified"], found["failure_code"]) == (False, code)
    right = {"bank_account": {"bank_code": "scb", "number": "111-222-3334", "name": "SOMCHAI"}}
    changed = (await omise.patch(f"/recipients/{made}", json=right)).json()
    assert (changed["failure_code"], changed["bank_account"]["last_digits"]) == (None, "3334")
    await person.post(f"/_sandbox/omise/recipients/{made}/verify")
    assert (await omise.get(f"/recipients/{made}")).json()["verified"] is True


@pytest.mark.parametrize(
    ("number", "steps"),
    [
        ("1234567890", [("sent", None), ("paid", None)]),
        ("1234560001", [("created", "failed_to_send"), ("created", "failed_to_send")]),
        ("1234560002", [("sent", None), ("sent", "rejected_by_bank")]),
        ("1234560003", [("sent", None), ("sent", None)]),
    ],
)
async def test_what_an_account_number_brings_about(
    *,
    omise: httpx.AsyncClient,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    clock: ManualClock,
    settings: SandboxSettings,
    number: str,
    steps: list[tuple[str, str | None]],
) -> None:
    made = await transfer(omise, await verified(omise, person, number))
    assert (made["sendable"], made["fee"], made["fee_vat"], made["total_fee"], made["net"]) == (
        True, 2_804, 196, 3_000, 97_000,
    )  # fmt: skip
    seen = []
    for wait in (180, 600):
        await pass_time(sandbox, clock, wait)
        found = (await omise.get(f"/transfers/{made['id']}")).json()
        state = "paid" if found["paid"] else "sent" if found["sent"] else "created"
        seen.append((state, found["failure_code"]))
    assert seen == steps
    left = settings.omise_opening_balance - (0 if steps[-1][1] else 100_000)
    assert (await omise.get("/balance")).json()["total"] == left


async def test_a_transfer_waits_for_its_recipient_or_fails_fast(
    *,
    omise: httpx.AsyncClient,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    clock: ManualClock,
    settings: SandboxSettings,
) -> None:
    to = await recipient(omise)
    failed = await transfer(omise, to, fail_fast=True)
    assert failed["failure_code"] == "inactive_recipient"
    waiting = await transfer(omise, to)
    assert (waiting["sendable"], waiting["failure_code"]) == (False, None)
    assert (await omise.post(f"/transfers/{waiting['id']}/mark_as_sent")).status_code == 400
    assert (await omise.get("/balance")).json()["total"] == settings.omise_opening_balance - 100_000

    await person.post(f"/_sandbox/omise/recipients/{to}/verify")
    await sandbox.deliver_due()
    assert (await omise.get(f"/transfers/{waiting['id']}")).json()["sendable"] is True
    await pass_time(sandbox, clock, 180)
    assert (await omise.post(f"/transfers/{waiting['id']}/mark_as_paid")).json()["paid"] is True


async def test_the_same_key_makes_one_transfer(omise: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    to = await verified(omise, person)
    first = await transfer(omise, to, idemp_key="withdrawal-1")
    assert (await transfer(omise, to, idemp_key="withdrawal-1"))["id"] == first["id"]
    other = await omise.post("/transfers", json={"amount": 1_000_000, "recipient": to, "idemp_key": "withdrawal-1"})
    assert (other.status_code, other.json()["code"]) == (400, "bad_request")
    assert (await omise.get("/transfers")).json()["total"] == 1
    assert "idemp_key" not in first


@pytest.mark.parametrize("amount", [3_000, 100_000_001, 0])
async def test_a_transfer_must_exceed_its_fee_and_be_covered(
    omise: httpx.AsyncClient, person: httpx.AsyncClient, settings: SandboxSettings, amount: int
) -> None:
    to = await verified(omise, person)
    refused = await omise.post("/transfers", json={"amount": amount, "recipient": to})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")
    assert (await omise.get("/balance")).json()["total"] == settings.omise_opening_balance


async def test_what_was_sent_can_be_neither_changed_nor_taken_back(
    omise: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    made = await transfer(omise, await verified(omise, person))
    await omise.post(f"/transfers/{made['id']}/mark_as_sent")
    assert (await omise.patch(f"/transfers/{made['id']}", json={"amount": 50_000})).status_code == 400
    assert (await omise.delete(f"/transfers/{made['id']}")).status_code == 400
    found = (await omise.get(f"/transfers/{made['id']}")).json()
    assert (found["amount"], found["deleted"]) == (100_000, False)
    wrong = await person.post(f"/_sandbox/omise/transfers/{made['id']}/advance", json={"outcome": "sent"})
    assert wrong.status_code == 409
