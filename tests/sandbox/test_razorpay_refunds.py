"""The rules of refunds that reach beyond one request: keys, speed, age, and never more than was captured."""

import asyncio
import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.conftest import Receiver
from tests.sandbox.test_razorpay_payments import AUTOMATIC, order_of, pay
from tests.sandbox.test_razorpayx import pass_time
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock

DAY = 86_400


async def paid(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, amount: int = 10_000, method: str = "upi"
) -> str:
    order = await order_of(razorpay, amount, payment=AUTOMATIC)
    payment_id: str = (await pay(person, order, method=method))["razorpay_payment_id"]
    return payment_id


@pytest.fixture
async def payment_id(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> str:
    return await paid(razorpay, person)


async def test_a_key_in_flight_is_409_until_its_request_is_over(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, payment_id: str
) -> None:
    key = {"X-Refund-Idempotency": "refund-key-1"}
    url = f"/payments/{payment_id}/refund"
    assert (await person.put("/_sandbox/razorpay/refund_keys/refund-key-1")).status_code == 204
    busy = await razorpay.post(url, json={"amount": 1_000}, headers=key)
    assert (busy.status_code, busy.json()["error"]["code"]) == (409, "BAD_REQUEST_ERROR")
    assert (await razorpay.get("/refunds")).json()["count"] == 0
    other = await razorpay.post(url, json={"amount": 500}, headers={"X-Refund-Idempotency": "refund-key-2"})
    assert other.status_code == 200

    assert (await person.delete("/_sandbox/razorpay/refund_keys/refund-key-1")).status_code == 204
    made = await razorpay.post(url, json={"amount": 1_000}, headers=key)
    assert (made.status_code, made.json()["amount"]) == (200, 1_000)
    assert (await person.put("/_sandbox/razorpay/refund_keys/refund-key-1")).status_code == 409
    assert (await person.delete("/_sandbox/razorpay/refund_keys/refund-key-1")).status_code == 404


async def test_a_key_belongs_to_the_payment_it_was_first_used_for(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, payment_id: str
) -> None:
    other, key = await paid(razorpay, person), {"X-Refund-Idempotency": "refund-key-1"}
    assert (await razorpay.post(f"/payments/{payment_id}/refund", headers=key)).status_code == 200
    assert (await razorpay.post(f"/payments/{other}/refund", headers=key)).status_code == 400
    again = await razorpay.post(f"/payments/{payment_id}/refund", headers=key)
    assert again.status_code == 200
    assert (await razorpay.get("/refunds")).json()["count"] == 1


async def test_a_payment_can_be_refunded_for_six_months(
    razorpay: httpx.AsyncClient, payment_id: str, clock: ManualClock
) -> None:
    clock.advance(183 * DAY)
    assert (await razorpay.post(f"/payments/{payment_id}/refund", json={"amount": 100})).status_code == 200
    clock.advance(1)
    late = await razorpay.post(f"/payments/{payment_id}/refund", json={"amount": 100})
    assert (late.status_code, "6 months" in late.json()["error"]["description"]) == (400, True)
    assert (await razorpay.get(f"/payments/{payment_id}")).json()["amount_refunded"] == 100


@pytest.mark.parametrize("method", ["upi", "card"])
async def test_an_optimum_refund_is_instant_where_the_method_can(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, method: str
) -> None:
    payment_id = await paid(razorpay, person, method=method)
    refund = (await razorpay.post(f"/payments/{payment_id}/refund", json={"speed": "optimum"})).json()
    assert (refund["status"], refund["speed_requested"], refund["speed_processed"]) == (
        "processed",
        "optimum",
        "instant",
    )
    await sandbox.deliver_due()
    assert receiver.events[-2:] == ["refund.created", "refund.processed"]


@pytest.mark.parametrize("method", ["netbanking", "wallet"])
async def test_an_optimum_refund_falls_back_to_normal_where_it_cannot(
    *,
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    receiver: Receiver,
    clock: ManualClock,
    method: str,
) -> None:
    payment_id = await paid(razorpay, person, method=method)
    refund = (await razorpay.post(f"/payments/{payment_id}/refund", json={"speed": "optimum"})).json()
    assert (refund["status"], refund["speed_requested"], refund["speed_processed"]) == (
        "pending",
        "optimum",
        "normal",
    )
    await pass_time(sandbox, clock, 120)
    assert receiver.events[-3:] == ["refund.created", "refund.speed_changed", "refund.processed"]


async def test_a_failed_refund_is_told_with_the_payment_as_it_is_then(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, payment_id: str
) -> None:
    refund = (await razorpay.post(f"/payments/{payment_id}/refund", json={"amount": 4_000})).json()
    await person.post(f"/_sandbox/razorpay/refunds/{refund['id']}/fail")
    await sandbox.deliver_due()
    assert receiver.events[-2:] == ["refund.created", "refund.failed"]
    payload = json.loads(receiver.taken[-1].body)["payload"]
    assert payload["refund"]["entity"]["status"] == "failed"
    assert payload["payment"]["entity"]["amount_refunded"] == 0


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amounts=st.lists(st.integers(100, 6_000), min_size=2, max_size=12))
async def test_parallel_refunds_never_give_back_more_than_was_captured(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, amounts: list[int]
) -> None:
    payment_id = await paid(razorpay, person)
    url = f"/payments/{payment_id}/refund"
    answers = await asyncio.gather(*(razorpay.post(url, json={"amount": amount}) for amount in amounts))
    refunded = sum(answer.json()["amount"] for answer in answers if answer.status_code == 200)
    refused = [amount for amount, answer in zip(amounts, answers, strict=True) if answer.status_code == 400]
    payment = (await razorpay.get(f"/payments/{payment_id}")).json()
    assert payment["amount_refunded"] == refunded <= 10_000
    assert all(amount > 10_000 - refunded for amount in refused)


async def test_parallel_refunds_under_one_key_are_one_refund(razorpay: httpx.AsyncClient, payment_id: str) -> None:
    key, url = {"X-Refund-Idempotency": "refund-key-1"}, f"/payments/{payment_id}/refund"
    answers = await asyncio.gather(*(razorpay.post(url, json={"amount": 3_000}, headers=key) for _ in range(8)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await razorpay.get(f"/payments/{payment_id}")).json()["amount_refunded"] == 3_000
