"""Omise's charges and events on the wire."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Receiver
from tillhouse.sandbox import emvco
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.omise.signing import webhook_signature
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.transport import SandboxTransport

SHOP = "http://127.0.0.1:8000"
DAY = 24 * 3600


async def charged(omise: httpx.AsyncClient, kind: str = "promptpay", **extra: Any) -> dict[str, Any]:
    body = {"amount": 156_000, "currency": "thb", "source": {"type": kind}, **extra}
    response = await omise.post("/charges", json=body)
    assert response.status_code == 200, response.text
    charge: dict[str, Any] = response.json()
    return charge


async def pay(person: httpx.AsyncClient, charge: dict[str, Any], **wish: str) -> httpx.Response:
    return await person.post(f"/_sandbox/omise/charges/{charge['id']}/pay", json=wish)


async def fault(person: httpx.AsyncClient, kind: str, **extra: Any) -> None:
    added = await person.post("/_sandbox/faults", json={"provider": "omise", "fault": kind, **extra})
    assert added.status_code == 201, added.text


@asynccontextmanager
async def another(
    settings: SandboxSettings, clock: ManualClock, receiver: Receiver
) -> AsyncIterator[tuple[Sandbox, httpx.AsyncClient]]:
    """A sandbox with settings of its own, and a merchant's client of it."""
    sandbox = create_sandbox(settings, now_ms=clock)
    sandbox.send_through(httpx.ASGITransport(app=receiver))
    auth = (settings.omise_secret_key, "")
    async with httpx.AsyncClient(transport=SandboxTransport(sandbox), base_url="http://sandbox", auth=auth) as client:
        yield sandbox, client
    await sandbox.aclose()


def keys(receiver: Receiver) -> list[str]:
    return [json.loads(taken.body)["key"] for taken in receiver.taken]


def test_the_webhook_signature_is_the_fact_sheets_vector() -> None:
    secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    assert webhook_signature(secret, 1_700_000_000, b'{"object":"event","key":"charge.complete"}') == (
        "9589bc163eb2e8a7a228cc05fdd6530cec23423791a98edffc61704551d837b8"
    )


async def test_a_form_with_bracketed_names_is_a_body_too(omise: httpx.AsyncClient) -> None:
    form = {
        "amount": "156000",
        "currency": "thb",
        "source[type]": "promptpay",
        "metadata[order][id]": "384",
        "webhook_endpoints[]": f"{SHOP}/hook",
    }
    charge = (await omise.post("/charges", data=form)).json()
    assert (charge["amount"], charge["metadata"]) == (156_000, {"order": {"id": "384"}})
    assert charge["webhook_endpoints"] == [f"{SHOP}/hook"]


async def test_the_code_is_there_only_after_a_charge_and_asks_for_its_amount(
    omise: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    source = (await omise.post("/sources", json={"type": "promptpay", "amount": 156_000, "currency": "THB"})).json()
    assert source["scannable_code"] is None
    charge = (await omise.post("/charges", json={"amount": 156_000, "currency": "thb", "source": source["id"]})).json()
    image = charge["source"]["scannable_code"]["image"]
    assert (image["object"], image["kind"], image["filename"]) == ("document", "qr", "qrcode.svg")
    assert image["download_uri"].startswith(f"http://sandbox/charges/{charge['id']}/documents/{image['id']}/downloads/")

    anyone = await person.get(image["download_uri"])
    assert anyone.headers["content-type"] == "image/svg+xml"
    assert (await person.get(image["download_uri"][:-1])).status_code == 404
    text = (await person.get(f"/_sandbox/omise/charges/{charge['id']}")).json()["qr"]
    assert emvco.is_sealed(text)
    assert emvco.parse(text)["54"] == "1560.00"


async def test_a_source_is_used_once_and_for_its_own_amount(omise: httpx.AsyncClient) -> None:
    source = (await omise.post("/sources", json={"type": "promptpay", "amount": 5_000, "currency": "thb"})).json()
    other = await omise.post("/charges", json={"amount": 6_000, "currency": "thb", "source": source["id"]})
    assert (other.status_code, other.json()["code"]) == (400, "invalid_charge")
    same = {"amount": 5_000, "currency": "thb", "source": source["id"]}
    assert (await omise.post("/charges", json=same)).status_code == 200
    assert (await omise.post("/charges", json=same)).json()["code"] == "invalid_charge"
    assert (await omise.get("/charges")).json()["total"] == 1


async def test_the_final_state_is_told_by_a_signed_event(
    *,
    omise: httpx.AsyncClient,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    receiver: Receiver,
    settings: SandboxSettings,
    clock: ManualClock,
) -> None:
    charge = await charged(omise)
    await pay(person, charge, outcome="success")
    await sandbox.deliver_due()

    assert keys(receiver) == ["charge.create", "charge.complete"]
    taken = receiver.taken[1]
    event = json.loads(taken.body)
    assert taken.path == "/api/v1/payments/webhook/omise"
    assert (event["object"], event["data"]["id"], event["data"]["status"]) == ("event", charge["id"], "successful")
    assert event["id"].startswith("evnt_test_")
    timestamp = taken.headers["omise-signature-timestamp"]
    assert int(timestamp) == clock.at_ms // 1000
    key = base64.b64decode(settings.omise_webhook_secret)
    expected = hmac.new(key, f"{timestamp}.".encode() + taken.body, hashlib.sha256).hexdigest()
    assert taken.headers["omise-signature"] == expected
    known = (await omise.get(f"/events/{event['id']}")).json()
    assert known["webhook_deliveries"][0]["status"] == 200


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"outcome": "failure"}, "failed", "failed_processing"),
        ({"outcome": "failure", "failure_code": "insufficient_fund"}, "failed", "insufficient_fund"),
        ({"outcome": "expired"}, "expired", None),
    ],
)
async def test_failed_and_expired_are_final_too(
    *,
    omise: httpx.AsyncClient,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    receiver: Receiver,
    wish: dict[str, str],
    status: str,
    code: str | None,
) -> None:
    charge = await charged(omise)
    await pay(person, charge, **wish)
    await sandbox.deliver_due()
    assert keys(receiver) == ["charge.create", "charge.complete"]
    found = (await omise.get(f"/charges/{charge['id']}")).json()
    assert (found["status"], found["paid"], found["failure_code"]) == (status, False, code)
    assert (await pay(person, charge)).status_code == 409
    assert (await omise.get("/transactions")).json()["total"] == 0


async def test_leaving_changes_nothing_and_the_charge_expires_at_its_hour(
    omise: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, clock: ManualClock
) -> None:
    until = datetime.fromtimestamp(clock.at_ms / 1000 + 600, UTC).isoformat()
    charge = await charged(omise, expires_at=until)
    assert (await pay(person, charge, outcome="abandoned")).json()["status"] == "pending"
    clock.advance(599)
    await sandbox.deliver_due()
    assert (await omise.get(f"/charges/{charge['id']}")).json()["status"] == "pending"
    clock.advance(1)
    await sandbox.deliver_due()
    expired = (await omise.get(f"/charges/{charge['id']}")).json()
    assert (expired["status"], expired["expired"], expired["expired_at"]) == ("expired", True, charge["expires_at"])


async def test_an_authorisation_nobody_captures_lapses(
    omise: httpx.AsyncClient, sandbox: Sandbox, clock: ManualClock, settings: SandboxSettings
) -> None:
    card = {"name": "S", "number": "4242424242424242", "expiration_month": 1, "expiration_year": 2099}
    token = (await omise.post("/tokens", json={"card": card}, auth=(settings.omise_public_key, ""))).json()["id"]
    body = {"amount": 10_000, "currency": "thb", "card": token, "capture": False}
    charge = (await omise.post("/charges", json=body)).json()
    assert (charge["authorized"], charge["capturable"], charge["status"]) == (True, True, "pending")
    clock.advance(7 * DAY)
    await sandbox.deliver_due()
    assert (await omise.get(f"/charges/{charge['id']}")).json()["status"] == "expired"
    late = await omise.post(f"/charges/{charge['id']}/capture")
    assert (late.status_code, late.json()["code"]) == (400, "failed_capture")


async def test_the_helpers_of_test_mode_pay_and_fail(omise: httpx.AsyncClient) -> None:
    first, second = await charged(omise), await charged(omise)
    assert (await omise.post(f"/charges/{first['id']}/mark_as_paid")).json()["paid"] is True
    assert (await omise.post(f"/charges/{second['id']}/mark_as_failed")).json()["status"] == "failed"
    assert (await omise.post(f"/charges/{second['id']}/mark_as_paid")).status_code == 400


async def test_a_refund_on_another_day_is_no_void_and_needs_money_on_the_account(
    omise: httpx.AsyncClient, person: httpx.AsyncClient, clock: ManualClock
) -> None:
    charge = await charged(omise)
    await pay(person, charge)
    await person.put("/_sandbox/omise/balance", params={"amount": 100})
    refused = await omise.post(f"/charges/{charge['id']}/refunds", json={"amount": 1_000})
    assert (refused.status_code, refused.json()["code"]) == (400, "failed_refund")
    assert (await omise.get("/refunds")).json()["total"] == 0

    await person.put("/_sandbox/omise/balance", params={"amount": 1_000_000})
    clock.advance(DAY)
    refund = (await omise.post(f"/charges/{charge['id']}/refunds", json={"amount": 1_000})).json()
    assert (refund["voided"], refund["amount"]) == (False, 1_000)
    assert (await person.get("/_sandbox/omise/balance")).json()["amount"] == 999_000


async def test_every_movement_of_the_balance_is_a_transaction(
    omise: httpx.AsyncClient, person: httpx.AsyncClient, settings: SandboxSettings
) -> None:
    charge = await charged(omise)
    await pay(person, charge)
    await omise.post(f"/charges/{charge['id']}/refunds", json={"amount": 56_000})
    dispute = (await person.post(f"/_sandbox/omise/charges/{charge['id']}/dispute")).json()
    disputed = await omise.post(f"/charges/{charge['id']}/refunds", json={"amount": 1})
    assert (disputed.status_code, disputed.json()["code"]) == (400, "failed_refund")
    await person.post(f"/_sandbox/omise/disputes/{dispute['id']}/close", json={"outcome": "won"})

    listed = (await omise.get("/transactions")).json()["data"]
    moves = [(item["direction"], item["amount"]) for item in listed]
    assert moves == [("credit", 153_246), ("debit", 56_000), ("debit", 100_000), ("credit", 100_000)]
    assert (await omise.get("/balance")).json()["total"] == settings.omise_opening_balance + 153_246 - 56_000
    again = await person.post(f"/_sandbox/omise/disputes/{dispute['id']}/close", json={"outcome": "lost"})
    assert again.status_code == 409


async def test_a_charge_may_name_its_own_endpoints(
    omise: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    await charged(omise, webhook_endpoints=[f"{SHOP}/a", f"{SHOP}/b"])
    await sandbox.deliver_due()
    assert [taken.path for taken in receiver.taken] == ["/a", "/b"]
    elsewhere = {"amount": 5_000, "currency": "thb", "source": {"type": "promptpay"}}
    refused = await omise.post("/charges", json={**elsewhere, "webhook_endpoints": ["https://elsewhere.example"]})
    assert refused.status_code == 400


async def test_a_refused_webhook_is_tried_six_times_each_signed_anew(
    omise: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, clock: ManualClock, settings: SandboxSettings
) -> None:
    receiver.status = 500
    await charged(omise, expires_at="2999-01-01T00:00:00Z")
    waits = []
    await sandbox.deliver_due()
    while sandbox.pending():
        due = sandbox.pending()[0].due_at or 0
        waits.append((due - clock.at_ms) / 1000 * settings.clock_scale)
        clock.at_ms = due
        await sandbox.deliver_due()
    assert waits == [60, 300, 1800, 7200, 43_200]
    assert len(receiver.taken) == 6
    assert len({taken.body for taken in receiver.taken}) == 1
    assert len({taken.headers["omise-signature"] for taken in receiver.taken}) == 6


async def test_older_versions_are_answered_in_their_names(omise: httpx.AsyncClient) -> None:
    charge = await charged(omise)
    old = (await omise.get(f"/charges/{charge['id']}", headers={"Omise-Version": "2017-11-02"})).json()
    assert old["created"] == charge["created_at"]
    assert "created_at" not in old
    unknown = await omise.get("/charges", headers={"Omise-Version": "2001-01-01"})
    assert (unknown.status_code, unknown.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("method", "path", "auth", "status", "code"),
    [
        ("GET", "/balance", None, 401, "authentication_failure"),
        ("GET", "/balance", ("pkey_test_tillhouse", ""), 401, "authentication_failure"),
        ("GET", "/balance", ("skey_test_tillhouse", "password"), 401, "authentication_failure"),
        ("POST", "/tokens", ("skey_test_tillhouse", ""), 401, "authentication_failure"),
        ("GET", "/charges/chrg_test_x", ("skey_test_tillhouse", ""), 404, "not_found"),
        ("GET", "/links", ("skey_test_tillhouse", ""), 404, "not_found"),
        ("GET", "/charges/a/b/c", ("skey_test_tillhouse", ""), 404, "not_found"),
        ("POST", "/charges", ("skey_test_tillhouse", ""), 400, "bad_request"),
    ],
)
async def test_refusals_have_omises_body(
    *,
    person: httpx.AsyncClient,
    method: str,
    path: str,
    auth: tuple[str, str] | None,
    status: int,
    code: str,
) -> None:
    refused = await person.request(method, path, auth=auth)
    assert (refused.status_code, refused.json()["object"], refused.json()["code"]) == (status, "error", code)


@pytest.mark.parametrize(
    "wrong",
    [
        {"currency": "usd"},
        {"amount": 1_999},
        {"amount": 15_000_001},
        {"amount": 10.5},
        {"card": "tokn_test_1"},
        {"capture": False},
        {"source": {"type": "cash"}},
        {"source": "src_test_none"},
        {"source": {"type": "mobile_banking_scb"}},
        {"expires_at": "2001-01-01T00:00:00Z"},
    ],
)
async def test_a_bad_charge_is_refused_and_leaves_no_trace(omise: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    body = {"amount": 5_000, "currency": "thb", "source": {"type": "promptpay"}, **wrong}
    assert (await omise.post("/charges", json=body)).status_code in {400, 404}
    assert (await omise.get("/charges")).json()["total"] == 0
    assert (await omise.get("/events")).json()["total"] == 0


@pytest.mark.parametrize(("kind", "made"), [("timeout_before", 0), ("timeout_after", 1)])
async def test_a_timeout_strikes_before_or_after_the_charge(
    omise: httpx.AsyncClient, person: httpx.AsyncClient, kind: str, made: int
) -> None:
    await fault(person, kind, path="POST /charges")
    with pytest.raises(httpx.ReadTimeout):
        await charged(omise)
    assert (await omise.get("/charges")).json()["total"] == made


@pytest.mark.parametrize(("status", "code"), [(429, "too_many_requests"), (500, "internal_error")])
async def test_a_status_fault_answers_as_omise_does(
    omise: httpx.AsyncClient, person: httpx.AsyncClient, status: int, code: str
) -> None:
    await fault(person, f"status_{status}", path="/charges")
    assert (await omise.get("/balance")).status_code == 200
    refused = await omise.get("/charges")
    assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_webhook_faults_strike_omises_events(
    omise: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    await fault(person, "duplicate", path="charge.create")
    await fault(person, "amount_off", path="charge.complete")
    await pay(person, await charged(omise))
    await sandbox.deliver_due()
    assert keys(receiver) == ["charge.create", "charge.create", "charge.complete"]
    assert json.loads(receiver.taken[2].body)["data"]["amount"] == 156_100


async def test_any_event_can_be_sent_rightly_signed(
    omise: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, settings: SandboxSettings
) -> None:
    wish = {"provider": "omise", "event": "charge.complete", "payload": {"id": "chrg_unknown"}, "event_id": "evnt_1"}
    assert (await person.post("/_sandbox/webhooks", json=wish)).status_code == 201
    await sandbox.deliver_due()
    [taken] = receiver.taken
    event = json.loads(taken.body)
    assert (event["id"], event["key"], event["data"]) == ("evnt_1", "charge.complete", {"id": "chrg_unknown"})
    timestamp = int(taken.headers["omise-signature-timestamp"])
    expected = webhook_signature(settings.omise_webhook_secret, timestamp, taken.body)
    assert taken.headers["omise-signature"] == expected
    assert (await omise.get("/events/evnt_1")).status_code == 404


async def test_while_the_secret_is_replaced_both_sign(clock: ManualClock, receiver: Receiver) -> None:
    old, new = (base64.b64encode(name).decode() for name in (b"old secret", b"new secret"))
    settings = SandboxSettings(omise_webhook_secret=old, omise_next_webhook_secret=new)
    async with another(settings, clock, receiver) as (sandbox, omise):
        await charged(omise)
        await sandbox.deliver_due()
    [taken] = receiver.taken
    timestamp = int(taken.headers["omise-signature-timestamp"])
    both = [webhook_signature(secret, timestamp, taken.body) for secret in (old, new)]
    assert taken.headers["omise-signature"].split(",") == both


@pytest.mark.parametrize(("number", "status"), [("4242424242424242", "successful"), ("4111111111140011", "failed")])
async def test_with_3ds_a_card_is_asked_for_at_its_bank_first(
    clock: ManualClock, receiver: Receiver, number: str, status: str
) -> None:
    settings = SandboxSettings(omise_3ds=True)
    async with another(settings, clock, receiver) as (sandbox, omise):
        card = {"name": "S", "number": number, "expiration_month": 1, "expiration_year": 2099}
        token = (await omise.post("/tokens", json={"card": card}, auth=(settings.omise_public_key, ""))).json()["id"]
        body = {"amount": 10_000, "currency": "thb", "card": token, "return_uri": f"{SHOP}/back"}
        charge = (await omise.post("/charges", json=body)).json()
        assert (charge["status"], charge["paid"]) == ("pending", False)
        back = await omise.post(charge["authorize_uri"], data={"outcome": "success"})
        assert (back.status_code, back.headers["location"]) == (303, f"{SHOP}/back")
        assert (await omise.get(f"/charges/{charge['id']}")).json()["status"] == status
        await sandbox.deliver_due()
    assert keys(receiver) == ["charge.create", "charge.complete"]


async def test_an_authorisation_given_at_the_bank_outlives_the_time_to_pay(
    clock: ManualClock, receiver: Receiver
) -> None:
    settings = SandboxSettings(omise_3ds=True)
    async with another(settings, clock, receiver) as (sandbox, omise):
        card = {"name": "S", "number": "4242424242424242", "expiration_month": 1, "expiration_year": 2099}
        token = (await omise.post("/tokens", json={"card": card}, auth=(settings.omise_public_key, ""))).json()["id"]
        body = {"amount": 20_000_000, "currency": "thb", "card": token, "return_uri": f"{SHOP}/back", "capture": False}
        charge = (await omise.post("/charges", json=body)).json()
        await omise.post(f"/charges/{charge['id']}/mark_as_paid")
        clock.advance(DAY)
        await sandbox.deliver_due()
        captured = (await omise.post(f"/charges/{charge['id']}/capture")).json()
        assert (captured["status"], captured["captured_amount"]) == ("successful", 20_000_000)


async def test_a_patch_changes_what_it_names_alone(omise: httpx.AsyncClient) -> None:
    charge = await charged(omise, metadata={"order": "1"}, description="Lesson")
    body = {"description": "Lesson 7", "metadata": None}
    changed = (await omise.patch(f"/charges/{charge['id']}", json=body)).json()
    assert (changed["description"], changed["metadata"]) == ("Lesson 7", {"order": "1"})
