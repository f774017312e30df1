import json
from itertools import permutations
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Receiver
from tests.sandbox.test_razorpay_refunds import paid
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock

EVIDENCE = {"summary": "goods delivered", "shipping_proof": ["doc_EFtmUsbwpXwBH9"], "action": "submit"}


@pytest.fixture
async def payment_id(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> str:
    return await paid(razorpay, person, 50_000)


async def dispute_of(person: httpx.AsyncClient, payment_id: str, **how: Any) -> dict[str, Any]:
    response = await person.post(f"/_sandbox/razorpay/payments/{payment_id}/dispute", json=how)
    assert response.status_code == 200, response.text
    dispute: dict[str, Any] = response.json()
    return dispute


async def waiting(person: httpx.AsyncClient) -> list[tuple[str, int]]:
    """What disputes will add to the next settlement."""
    lines = (await person.get("/_sandbox/razorpay/settlements")).json()["waiting"]
    return [(line["dispute_id"], line["credit"] - line["debit"]) for line in lines if line["type"] == "adjustment"]


async def rule(person: httpx.AsyncClient, dispute: dict[str, Any], outcome: str) -> httpx.Response:
    return await person.post(f"/_sandbox/razorpay/disputes/{dispute['id']}/close", json={"outcome": outcome})


async def test_a_dispute_has_the_documented_fields(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, payment_id: str, clock: ManualClock
) -> None:
    dispute = await dispute_of(person, payment_id, amount=20_000, reason_code="chargeback", phase="pre_arbitration")
    assert (await razorpay.get(f"/disputes/{dispute['id']}")).json() == dispute
    assert dispute.pop("id").startswith("disp_")
    evidence = dispute.pop("evidence")
    now = clock.at_ms // 1000
    assert dispute == {
        "entity": "dispute",
        "payment_id": payment_id,
        "amount": 20_000,
        "currency": "INR",
        "amount_deducted": 0,
        "reason_code": "chargeback",
        "respond_by": now + 7 * 86_400,
        "status": "open",
        "phase": "pre_arbitration",
        "created_at": now,
    }
    assert (evidence["amount"], evidence["submitted_at"], evidence["shipping_proof"], evidence["others"]) == (
        20_000,
        None,
        None,
        None,
    )
    listed = (await razorpay.get("/disputes")).json()
    assert (listed["entity"], listed["count"]) == ("collection", 1)


async def test_its_payment_can_be_asked_for_with_it(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, payment_id: str
) -> None:
    dispute = await dispute_of(person, payment_id)
    expanded = (await razorpay.get(f"/disputes/{dispute['id']}", params={"expand[]": "payment"})).json()
    assert expanded["payment"] == (await razorpay.get(f"/payments/{payment_id}")).json()


async def test_accepting_loses_the_money_once(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, payment_id: str, sandbox: Sandbox, receiver: Receiver
) -> None:
    dispute = await dispute_of(person, payment_id, amount=20_000)
    lost = (await razorpay.post(f"/disputes/{dispute['id']}/accept")).json()
    assert (lost["status"], lost["amount_deducted"]) == ("lost", 20_000)
    again = await razorpay.post(f"/disputes/{dispute['id']}/accept")
    assert (again.status_code, again.json()["error"]["description"]) == (
        400,
        "Action not allowed when dispute is in lost status.",
    )
    assert await waiting(person) == [(dispute["id"], -20_000)]
    await sandbox.deliver_due()
    assert receiver.events[-2:] == ["payment.dispute.created", "payment.dispute.lost"]
    event = json.loads(receiver.taken[-1].body)
    assert event["contains"] == ["payment", "dispute"]
    assert event["payload"]["dispute"]["entity"]["amount_deducted"] == 20_000


async def test_a_contest_is_a_draft_until_it_is_submitted_with_a_document(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, payment_id: str, sandbox: Sandbox, receiver: Receiver
) -> None:
    dispute = await dispute_of(person, payment_id)
    url = f"/disputes/{dispute['id']}/contest"
    draft = (await razorpay.patch(url, json={"amount": 5_000, "summary": "delivered"})).json()
    assert (draft["status"], draft["evidence"]["amount"], draft["evidence"]["submitted_at"]) == ("open", 5_000, None)
    assert (await razorpay.patch(url, json={"action": "submit"})).status_code == 400
    assert (await razorpay.patch(url, json={"amount": 50_001})).status_code == 400
    assert (await razorpay.patch(url, json={"invalid_proof": []})).status_code == 400
    others = [{"type": "receipt_signed_by_customer", "document_ids": ["doc_1"]}]
    sent = (await razorpay.patch(url, json={"others": others, "action": "submit"})).json()
    assert (sent["status"], sent["evidence"]["summary"], sent["evidence"]["others"]) == (
        "under_review",
        "delivered",
        others,
    )
    assert sent["evidence"]["submitted_at"] == sent["created_at"]
    assert (await razorpay.patch(url, json=EVIDENCE)).status_code == 400
    await sandbox.deliver_due()
    assert receiver.events[-2:] == ["payment.dispute.created", "payment.dispute.under_review"]


@pytest.mark.parametrize(
    ("at_onset", "outcome", "deducted", "adjustments"),
    [
        (False, "won", 0, []),
        (False, "closed", 0, []),
        (False, "lost", 50_000, [-50_000]),
        (True, "won", 0, [-50_000, 50_000]),
        (True, "closed", 0, [-50_000, 50_000]),
        (True, "lost", 50_000, [-50_000]),
    ],
)
async def test_what_an_outcome_does_to_the_money(
    *,
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    payment_id: str,
    at_onset: bool,
    outcome: str,
    deducted: int,
    adjustments: list[int],
) -> None:
    dispute = await dispute_of(person, payment_id, deduct_at_onset=at_onset)
    assert dispute["amount_deducted"] == (50_000 if at_onset else 0)
    await razorpay.patch(f"/disputes/{dispute['id']}/contest", json=EVIDENCE)
    ended = (await rule(person, dispute, outcome)).json()
    assert (ended["status"], ended["amount_deducted"]) == (outcome, deducted)
    assert [amount for _, amount in await waiting(person)] == adjustments
    assert (await rule(person, dispute, "won")).status_code == 409
    assert [amount for _, amount in await waiting(person)] == adjustments


@pytest.mark.parametrize(
    ("at_onset", "outcome", "deducted", "adjustments"),
    [
        (False, "won", 20_000, [-20_000]),
        (False, "lost", 50_000, [-50_000]),
        (False, "closed", 0, []),
        (True, "won", 20_000, [-50_000, 30_000]),
        (True, "lost", 50_000, [-50_000]),
        (True, "closed", 0, [-50_000, 50_000]),
    ],
)
async def test_of_what_was_contested_in_part_the_rest_is_gone_when_it_is_won(
    *,
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    payment_id: str,
    at_onset: bool,
    outcome: str,
    deducted: int,
    adjustments: list[int],
) -> None:
    dispute = await dispute_of(person, payment_id, deduct_at_onset=at_onset)
    if at_onset:
        await razorpay.patch(f"/disputes/{dispute['id']}/contest", json={**EVIDENCE, "amount": 30_000})
    else:  # at the dashboard
        review = f"/_sandbox/razorpay/disputes/{dispute['id']}/review"
        assert (await person.post(review, json={"contested": 50_001})).status_code == 400
        assert (await person.post(review, json={"contested": 30_000})).json()["evidence"]["amount"] == 30_000
    ended = (await rule(person, dispute, outcome)).json()
    assert (ended["status"], ended["amount"], ended["amount_deducted"]) == (outcome, 50_000, deducted)
    assert [amount for _, amount in await waiting(person)] == adjustments


async def test_the_bank_may_ask_for_more_and_the_house_must_answer_in_time(
    *,
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    payment_id: str,
    sandbox: Sandbox,
    receiver: Receiver,
    clock: ManualClock,
) -> None:
    dispute = await dispute_of(person, payment_id)
    step = f"/_sandbox/razorpay/disputes/{dispute['id']}"
    assert (await person.post(f"{step}/require_action")).status_code == 409
    assert (await person.post(f"{step}/review")).json()["status"] == "under_review"
    assert (await person.post(f"{step}/review")).status_code == 409
    clock.advance(86_400)
    asked = (await person.post(f"{step}/require_action")).json()
    assert (asked["status"], asked["respond_by"]) == ("open", clock.at_ms // 1000 + 7 * 86_400)
    clock.advance(7 * 86_400 + 1)
    for call in (
        razorpay.patch(f"/disputes/{dispute['id']}/contest", json=EVIDENCE),
        razorpay.post(f"/disputes/{dispute['id']}/accept"),
    ):
        late = await call
        assert (late.status_code, "deadline" in late.json()["error"]["description"]) == (400, True)
    await sandbox.deliver_due()
    assert receiver.events[-3:] == [
        "payment.dispute.created",
        "payment.dispute.under_review",
        "payment.dispute.action_required",
    ]


async def test_no_more_is_disputed_or_refunded_than_is_left(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, payment_id: str
) -> None:
    url = f"/_sandbox/razorpay/payments/{payment_id}/dispute"
    await razorpay.post(f"/payments/{payment_id}/refund", json={"amount": 10_000})
    assert (await person.post(url, json={"amount": 40_001})).status_code == 400
    assert (await person.post(url, json={"phase": "quarrel"})).status_code == 422
    dispute = await dispute_of(person, payment_id, amount=30_000)
    assert (await person.post(url, json={"amount": 100})).status_code == 400
    await rule(person, dispute, "lost")
    assert (await razorpay.post(f"/payments/{payment_id}/refund", json={"amount": 10_001})).status_code == 400
    assert (await razorpay.post(f"/payments/{payment_id}/refund", json={"amount": 10_000})).status_code == 200
    assert (await person.post(url, json={})).status_code == 400
    assert (await razorpay.get("/disputes")).json()["count"] == 1


async def test_only_captured_money_can_be_disputed(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    order = (await razorpay.post("/orders", json={"amount": 1_000, "currency": "INR"})).json()
    answer = (await person.post(f"/_sandbox/razorpay/orders/{order['id']}/pay", json={})).json()
    url = f"/_sandbox/razorpay/payments/{answer['razorpay_payment_id']}/dispute"
    assert (await person.post(url, json={})).status_code == 400
    assert (await razorpay.get("/disputes")).json()["count"] == 0


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_disputes_events_can_be_delivered_in_any_order(
    *,
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    payment_id: str,
    sandbox: Sandbox,
    receiver: Receiver,
    order: tuple[int, ...],
) -> None:
    await sandbox.deliver_due()
    receiver.taken.clear()
    dispute = await dispute_of(person, payment_id)
    await razorpay.patch(f"/disputes/{dispute['id']}/contest", json=EVIDENCE)
    await rule(person, dispute, "won")
    queued = sandbox.pending()
    names = [delivery.event for delivery in queued]
    assert names == ["payment.dispute.created", "payment.dispute.under_review", "payment.dispute.won"]
    for place in order:
        await sandbox.deliver(queued[place].id)
    assert receiver.events == [names[place] for place in order]
    statuses = [json.loads(taken.body)["payload"]["dispute"]["entity"]["status"] for taken in receiver.taken]
    assert statuses == [["open", "under_review", "won"][place] for place in order]
