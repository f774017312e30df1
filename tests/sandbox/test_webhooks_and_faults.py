import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Receiver, event_of
from tests.sandbox.test_razorpay_payments import AUTOMATIC, order_of, pay
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.transport import SandboxTransport

DAY = 24 * 3600


async def add_fault(person: httpx.AsyncClient, fault: str, **extra: Any) -> None:
    response = await person.post("/_sandbox/faults", json={"provider": "razorpay", "fault": fault, **extra})
    assert response.status_code == 201, response.text


async def paid(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> dict[str, Any]:
    order = await order_of(razorpay, payment=AUTOMATIC)
    await pay(person, order)
    return order


def signed_rightly(receiver: Receiver, settings: SandboxSettings) -> list[bool]:
    secret = settings.razorpay_webhook_secret.encode()
    return [
        hmac.new(secret, taken.body, hashlib.sha256).hexdigest() == taken.headers["x-razorpay-signature"]
        for taken in receiver.taken
    ]


async def test_a_refused_webhook_comes_back_under_the_same_event_id_until_it_is_taken(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.status = 500
    order = await order_of(razorpay)
    await pay(person, order, outcome="failure")
    waits = []
    for _ in range(3):
        await sandbox.deliver_due()
        due = sandbox.world.store.next_due()
        assert due is not None
        waits.append((due - clock.at_ms) / 1000)
        clock.at_ms = due
    receiver.status = 200
    await sandbox.deliver_due()

    assert waits == [1.0, 2.0, 4.0]
    assert len(receiver.taken) == 4
    assert len({taken.headers["x-razorpay-event-id"] for taken in receiver.taken}) == 1
    assert len({taken.body for taken in receiver.taken}) == 1
    assert sandbox.world.store.next_due() is None


async def test_after_24_hours_the_webhook_is_disabled_and_the_owner_told(
    *,
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    receiver: Receiver,
    clock: ManualClock,
    settings: SandboxSettings,
) -> None:
    receiver.status = 500
    await pay(person, await order_of(razorpay), outcome="failure")
    start = clock.at_ms
    while (due := sandbox.world.store.next_due()) is not None:
        clock.at_ms = due
        await sandbox.deliver_due()
    assert (clock.at_ms - start) / 1000 * 60 <= DAY

    mails = (await person.get("/_sandbox/inbox", params={"to": settings.merchant_email})).json()
    assert [mail["subject"] for mail in mails] == ["Your webhook was disabled"]
    before = len(receiver.taken)
    await pay(person, await order_of(razorpay), outcome="failure")
    await sandbox.deliver_due()
    assert len(receiver.taken) == before

    receiver.status = 200
    await person.post("/_sandbox/webhooks/razorpay/enable")
    unsent = (await person.get("/_sandbox/webhooks", params={"status": "not_sent"})).json()["items"]
    await person.post(f"/_sandbox/webhooks/{unsent[0]['id']}/redeliver")
    await sandbox.deliver_due()
    assert len(receiver.taken) == before + 1


async def test_redelivery_keeps_the_event_id_unless_asked_for_another(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    await pay(person, await order_of(razorpay), outcome="failure")
    await sandbox.deliver_due()
    delivery = (await person.get("/_sandbox/webhooks")).json()["items"][0]["id"]
    await person.post(f"/_sandbox/webhooks/{delivery}/redeliver")
    await sandbox.deliver_due()
    await person.post(f"/_sandbox/webhooks/{delivery}/redeliver", params={"as_new_event": True})
    await sandbox.deliver_due()

    first, same, other = [taken.headers["x-razorpay-event-id"] for taken in receiver.taken]
    assert first == same != other
    assert receiver.taken[0].body == receiver.taken[2].body


async def test_any_event_can_be_sent_rightly_signed(
    person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, settings: SandboxSettings
) -> None:
    payload = {"payment": {"entity": {"id": "pay_unknown", "order_id": "order_unknown"}}}
    body = {"event": "payment.captured", "payload": payload, "event_id": "evt_1"}
    assert (await person.post("/_sandbox/webhooks", json=body)).status_code == 201
    assert (await person.post("/_sandbox/deliver")).json() == {"tries": 1}
    assert receiver.taken[0].headers["x-razorpay-event-id"] == "evt_1"
    assert signed_rightly(receiver, settings) == [True]


async def test_a_test_may_deliver_pending_webhooks_in_any_order(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    await paid(razorpay, person)
    for delivery in reversed(sandbox.pending()):
        await sandbox.deliver(delivery.id)
    assert receiver.events == ["order.paid", "payment.captured", "payment.authorized"]
    assert sandbox.pending() == []
    assert await sandbox.deliver_due() == 0


async def test_duplicate_sends_the_same_event_twice(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    await add_fault(person, "duplicate", path="payment.captured")
    await paid(razorpay, person)
    await sandbox.deliver_due()
    assert receiver.events == ["payment.authorized", "payment.captured", "payment.captured", "order.paid"]
    assert receiver.taken[1].headers["x-razorpay-event-id"] == receiver.taken[2].headers["x-razorpay-event-id"]


async def test_delay_holds_an_event_back(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    await add_fault(person, "delay", path="payment.*", count=2, seconds=20)
    await paid(razorpay, person)
    await sandbox.deliver_due()
    assert receiver.events == ["order.paid"]
    clock.advance(20)
    await sandbox.deliver_due()
    assert receiver.events == ["order.paid", "payment.authorized", "payment.captured"]


async def test_reorder_lets_the_next_event_go_first(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    await add_fault(person, "reorder", path="payment.authorized")
    await paid(razorpay, person)
    await sandbox.deliver_due()
    assert sorted(receiver.events) == ["order.paid", "payment.authorized", "payment.captured"]
    assert receiver.events.index("payment.captured") < receiver.events.index("payment.authorized")


async def test_drop_loses_an_event_until_someone_redelivers_it(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    await add_fault(person, "drop", path="order.paid")
    await paid(razorpay, person)
    await sandbox.deliver_due()
    assert receiver.events == ["payment.authorized", "payment.captured"]
    dropped = (await person.get("/_sandbox/webhooks", params={"status": "dropped"})).json()["items"]
    assert [delivery["event"] for delivery in dropped] == ["order.paid"]


async def test_tamper_breaks_the_signature_and_amount_off_does_not(
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    receiver: Receiver,
    settings: SandboxSettings,
) -> None:
    await add_fault(person, "tamper", path="payment.authorized")
    await add_fault(person, "amount_off", path="payment.captured")
    await paid(razorpay, person)
    await sandbox.deliver_due()
    assert signed_rightly(receiver, settings) == [False, True, True]
    amounts = [json.loads(taken.body)["payload"]["payment"]["entity"]["amount"] for taken in receiver.taken]
    assert amounts == [10_100, 10_100, 10_000]


@pytest.mark.parametrize(("fault", "orders_made"), [("timeout_before", 0), ("timeout_after", 1)])
async def test_a_timeout_is_a_read_timeout_before_or_after_the_effect(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, fault: str, orders_made: int
) -> None:
    await add_fault(person, fault, path="/v1/orders")
    with pytest.raises(httpx.ReadTimeout):
        await order_of(razorpay)
    assert (await razorpay.get("/orders")).json()["count"] == orders_made


async def test_a_cut_answer_is_a_protocol_error_after_the_effect(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    await add_fault(person, "cut_stream", path="POST /v1/orders")
    with pytest.raises(httpx.RemoteProtocolError):
        await order_of(razorpay)
    assert (await razorpay.get("/orders")).json()["count"] == 1


@pytest.mark.parametrize(("status", "code"), [(429, "BAD_REQUEST_ERROR"), (500, "SERVER_ERROR")])
async def test_a_status_fault_answers_as_razorpay_does_and_does_nothing(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, status: int, code: str
) -> None:
    await add_fault(person, f"status_{status}", path="/v1/orders", count=1)
    refused = await razorpay.post("/orders", json={"amount": 100, "currency": "INR"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert (await razorpay.get("/orders")).json()["count"] == 0


@pytest.mark.parametrize(
    ("provider", "path", "body", "listed"),
    [
        ("razorpay", "/payments/qr_codes", {"type": "upi_qr"}, "items"),
        ("razorpay", "/payment_links", {"amount": 100}, "payment_links"),
    ],
)
async def test_faults_reach_qr_codes_and_links_before_and_after_their_effect(
    *,
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    provider: str,
    path: str,
    body: dict[str, Any],
    listed: str,
) -> None:
    for fault, made in (("timeout_before", 0), ("timeout_after", 1), ("cut_stream", 2)):
        await add_fault(person, fault, path=f"POST /v1{path}")
        with pytest.raises((httpx.ReadTimeout, httpx.RemoteProtocolError)):
            await razorpay.post(path, json=body)
        assert len((await razorpay.get(path)).json()[listed]) == made
    await add_fault(person, "status_500", path=f"POST /v1{path}")
    assert (await razorpay.post(path, json=body)).status_code == 500
    assert len((await razorpay.get(path)).json()[listed]) == 2


async def test_a_fault_on_razorpayx_reaches_its_statement_and_validations(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, settings: SandboxSettings
) -> None:
    fault = {"provider": "razorpayx", "fault": "status_429"}
    query = {"account_number": settings.razorpayx_account_number}
    for path in ("/transactions", "/fund_accounts/validations"):
        assert (await person.post("/_sandbox/faults", json=fault)).status_code == 201
        assert (await razorpay.get("/settlements")).status_code == 200
        assert (await razorpay.get(path, params=query)).status_code == 429
        assert (await razorpay.get(path, params=query)).status_code == 200


async def test_amount_off_changes_a_settlement_on_its_way(
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    receiver: Receiver,
    settings: SandboxSettings,
) -> None:
    await paid(razorpay, person)
    await add_fault(person, "amount_off", path="settlement.processed")
    await person.post("/_sandbox/razorpay/settlements/run")
    await sandbox.deliver_due()
    event = next(taken for taken in receiver.taken if event_of(taken) == "settlement.processed")
    assert json.loads(event.body)["payload"]["settlement"]["entity"]["amount"] == 9_864
    assert (await razorpay.get("/settlements")).json()["items"][0]["amount"] == 9_764


async def test_faults_are_listed_used_up_and_lifted(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    await add_fault(person, "status_500", path="/v1/payouts", count=2)
    assert (await razorpay.get("/orders")).status_code == 200
    assert (await razorpay.get("/payouts")).status_code == 500
    assert [fault["count"] for fault in (await person.get("/_sandbox/faults")).json()] == [1]
    assert (await person.delete("/_sandbox/faults")).status_code == 204
    assert (await person.get("/_sandbox/faults")).json() == []
    assert (await person.post("/_sandbox/faults", json={"fault": "earthquake"})).status_code == 422


async def test_a_sandbox_that_dies_forgets_nothing_it_answered(
    tmp_path: Path, clock: ManualClock, receiver: Receiver
) -> None:
    settings = SandboxSettings(state=str(tmp_path / "sandbox.db"))
    auth = (settings.razorpay_key_id, settings.razorpay_key_secret)
    first = create_sandbox(settings, now_ms=clock)
    async with httpx.AsyncClient(transport=SandboxTransport(first), base_url="http://sandbox") as person:
        order = (await person.post("/razorpay/v1/orders", json={"amount": 100, "currency": "INR"}, auth=auth)).json()
        await pay(person, order, outcome="late_success")

    second = create_sandbox(settings, now_ms=clock)
    second.send_through(httpx.ASGITransport(app=receiver))
    await second.deliver_due()
    clock.advance(5)
    await second.deliver_due()
    assert [event_of(taken) for taken in receiver.taken] == ["payment.failed", "payment.authorized"]
    await first.aclose()
    await second.aclose()
