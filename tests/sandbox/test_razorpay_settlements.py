import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.conftest import Receiver
from tests.sandbox.test_razorpay_payments import AUTOMATIC, order_of, pay
from tests.sandbox.test_razorpay_qr_codes import ANY, qr_of, scan
from tests.sandbox.test_razorpay_refunds import paid
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings

DAY = 86_400
RUN = "/_sandbox/razorpay/settlements/run"


async def settle(person: httpx.AsyncClient, **when: str) -> dict[str, Any]:
    response = await person.post(RUN, params=when)
    assert response.status_code == 200, response.text
    settlement: dict[str, Any] = response.json()
    return settlement


async def report(razorpay: httpx.AsyncClient, clock: ManualClock, **more: int) -> list[dict[str, Any]]:
    """The report of the day that it is in India."""
    now = datetime.fromtimestamp(clock.at_ms / 1000 + 5.5 * 3600, UTC)
    query = {"year": now.year, "month": now.month, "day": now.day, "count": 1000, **more}
    items: list[dict[str, Any]] = (await razorpay.get("/settlements/recon/combined", params=query)).json()["items"]
    return items


def net(lines: list[dict[str, Any]]) -> int:
    total: int = sum(line["credit"] - line["debit"] for line in lines)
    return total


async def test_a_settlement_is_payments_less_fees_refunds_and_disputes(
    *,
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    receiver: Receiver,
    clock: ManualClock,
) -> None:
    order = await order_of(razorpay, 100_000, payment=AUTOMATIC, receipt="r-1", notes={"a": "b"})
    card = (await pay(person, order, method="card"))["razorpay_payment_id"]
    qr = (await scan(person, await qr_of(razorpay, **ANY), amount=50_000)).json()["id"]
    await pay(person, await order_of(razorpay))  # authorised, not captured
    await pay(person, await order_of(razorpay), outcome="failure")
    refund = (await razorpay.post(f"/payments/{card}/refund", json={"amount": 20_000})).json()
    dispute = await person.post(
        f"/_sandbox/razorpay/payments/{qr}/dispute", json={"amount": 5_000, "deduct_at_onset": True}
    )

    settlement = await settle(person)
    assert settlement["amount"] == (100_000 - 2_360) + (50_000 - 1_180) - 20_000 - 5_000
    assert settlement["id"].startswith("setl_")
    assert (settlement["entity"], settlement["status"], settlement["fees"], settlement["tax"]) == (
        "settlement",
        "processed",
        0,
        0,
    )
    assert set(settlement) == {"id", "entity", "amount", "status", "fees", "tax", "utr", "created_at"}
    assert (await razorpay.get(f"/settlements/{settlement['id']}")).json() == settlement
    assert (await razorpay.get("/settlements")).json()["items"] == [settlement]

    lines = await report(razorpay, clock)
    assert [line["type"] for line in lines] == ["payment", "payment", "refund", "adjustment"]
    assert net(lines) == settlement["amount"]
    assert lines[0] == {
        "entity_id": card,
        "type": "payment",
        "debit": 0,
        "credit": 97_640,
        "amount": 100_000,
        "currency": "INR",
        "fee": 2_360,
        "tax": 360,
        "on_hold": False,
        "settled": True,
        "created_at": order["created_at"],
        "settled_at": settlement["created_at"],
        "settlement_id": settlement["id"],
        "posted_at": None,
        "credit_type": "default",
        "description": None,
        "notes": {"a": "b"},
        "payment_id": None,
        "settlement_utr": settlement["utr"],
        "order_id": order["id"],
        "order_receipt": "r-1",
        "method": "card",
        "card_network": "Visa",
        "card_issuer": None,
        "card_type": "credit",
        "dispute_id": None,
    }
    assert (lines[1]["entity_id"], lines[1]["order_id"], lines[1]["method"]) == (qr, None, "upi")
    assert (lines[2]["entity_id"], lines[2]["payment_id"], lines[2]["order_receipt"]) == (refund["id"], card, "r-1")
    assert (lines[3]["payment_id"], lines[3]["dispute_id"], lines[3]["debit"]) == (qr, dispute.json()["id"], 5_000)

    await sandbox.deliver_due()
    event = next(json.loads(t.body) for t in receiver.taken if b"settlement.processed" in t.body)
    assert event["payload"] == {"settlement": {"entity": settlement}}


async def test_everything_is_settled_once(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    await paid(razorpay, person)
    await settle(person)
    nothing = await person.post(RUN)
    assert nothing.status_code == 409
    await paid(razorpay, person, 20_000)
    assert (await settle(person))["amount"] == 20_000 - 472
    assert (await razorpay.get("/settlements")).json()["count"] == 2


async def test_a_day_ends_at_midnight_in_india(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, clock: ManualClock
) -> None:
    clock.at_ms = int(datetime(2027, 1, 31, 18, 29, 59, tzinfo=UTC).timestamp()) * 1000
    before = await paid(razorpay, person)
    clock.advance(1)
    after = await paid(razorpay, person)
    first = await settle(person, day="2027-01-31")
    clock.advance(DAY)
    second = await settle(person)

    async def month(number: int, **day: int) -> list[tuple[str, str]]:
        query = {"year": 2027, "month": number, **day}
        items = (await razorpay.get("/settlements/recon/combined", params=query)).json()["items"]
        return [(line["entity_id"], line["settlement_id"]) for line in items]

    assert await month(1) == []
    assert await month(2, day=1) == [(before, first["id"])]
    assert await month(2, day=2) == [(after, second["id"])]
    assert await month(2) == [(before, first["id"]), (after, second["id"])]


async def test_refunds_above_payments_wait_for_the_next_settlement(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, clock: ManualClock
) -> None:
    payment_id = await paid(razorpay, person)
    await settle(person)
    await razorpay.post(f"/payments/{payment_id}/refund")
    refused = await person.post(RUN)
    assert (refused.status_code, "-10000" in refused.json()["error"]["description"]) == (409, True)
    clock.advance(DAY)
    await paid(razorpay, person, 100_000)
    assert (await settle(person))["amount"] == 97_640 - 10_000
    assert [line["type"] for line in await report(razorpay, clock)] == ["refund", "payment"]


async def test_a_refund_that_fails_before_is_left_out_and_after_is_credited(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, clock: ManualClock
) -> None:
    payment_id = await paid(razorpay, person, 100_000)
    early = (await razorpay.post(f"/payments/{payment_id}/refund", json={"amount": 1_000})).json()["id"]
    await person.post(f"/_sandbox/razorpay/refunds/{early}/fail")
    late = (await razorpay.post(f"/payments/{payment_id}/refund", json={"amount": 2_000})).json()["id"]
    assert (await settle(person))["amount"] == 97_640 - 2_000
    clock.advance(DAY)
    await person.post(f"/_sandbox/razorpay/refunds/{late}/fail")
    assert (await settle(person))["amount"] == 2_000
    lines = await report(razorpay, clock)
    assert [(line["type"], line["credit"], line["payment_id"]) for line in lines] == [("adjustment", 2_000, payment_id)]


async def test_uncaptured_money_that_goes_back_by_itself_is_in_no_settlement(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, clock: ManualClock
) -> None:
    rule = {"capture": "manual", "capture_options": {"manual_expiry_period": 60}}
    await pay(person, await order_of(razorpay, payment=rule))
    clock.advance(61)
    await sandbox.deliver_due()
    assert (await razorpay.get("/refunds")).json()["count"] == 1
    assert (await person.post(RUN)).status_code == 409


@pytest.mark.parametrize(
    ("kind", "lines", "difference"),
    [
        ("missing", 1, -9_764),
        ("extra", 3, 9_764),
        ("amount", 2, 100),
        ("fee", 2, -100),
        ("currency", 2, 0),
        ("duplicate", 3, 9_764),
    ],
)
async def test_a_report_can_be_made_wrong_while_the_money_stays_right(
    *,
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    clock: ManualClock,
    kind: str,
    lines: int,
    difference: int,
) -> None:
    one, other = await paid(razorpay, person), await paid(razorpay, person, 20_000)
    settlement = await settle(person)
    url = f"/_sandbox/razorpay/settlements/{settlement['id']}/distort"
    assert (await person.post(url, json={"kind": kind, "entity_id": one})).status_code == 200
    seen = await report(razorpay, clock)
    assert (len(seen), net(seen) - settlement["amount"]) == (lines, difference)
    assert not {"hidden", "distortion", "id"} & set(seen[0])
    assert {line["entity_id"] for line in seen} >= ({other} if kind == "missing" else {one, other})
    currencies = [line["currency"] for line in seen if line["entity_id"] == one]
    assert set(currencies) <= {"USD" if kind == "currency" else "INR"}
    assert (await razorpay.get(f"/settlements/{settlement['id']}")).json() == settlement
    assert (await person.post(RUN)).status_code == 409


async def test_only_a_line_that_is_there_can_be_made_wrong(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, clock: ManualClock
) -> None:
    await paid(razorpay, person)
    settlement = await settle(person)
    before = await report(razorpay, clock)
    url = f"/_sandbox/razorpay/settlements/{settlement['id']}/distort"
    assert (await person.post(url, json={"kind": "amount", "entity_id": "pay_nobody"})).status_code == 400
    assert (await person.post(url, json={"kind": "colour"})).status_code == 422
    assert await report(razorpay, clock) == before


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"year": 22, "month": 6}, "year"),
        ({"year": 2027, "month": 13}, "month"),
        ({"year": 2027, "month": 2, "day": 29}, "day"),
        ({"year": 2027}, "month"),
        ({"year": 2027, "month": 2, "count": 0}, "count"),
    ],
)
async def test_a_bad_period_is_refused(razorpay: httpx.AsyncClient, query: dict[str, int], field: str) -> None:
    response = await razorpay.get("/settlements/recon/combined", params=query)
    assert (response.status_code, response.json()["error"]["field"]) == (400, field)


async def test_the_report_is_read_page_by_page(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, clock: ManualClock
) -> None:
    made = [await paid(razorpay, person) for _ in range(5)]
    await settle(person)
    pages = [await report(razorpay, clock, count=2, skip=skip) for skip in (0, 2, 4)]
    assert [line["entity_id"] for page in pages for line in page] == made


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.lists(
        st.lists(st.tuples(st.integers(100, 500_000), st.sampled_from(["keep", "refund", "lose"])), max_size=4),
        min_size=1,
        max_size=4,
    )
)
async def test_over_any_days_the_bank_gets_what_the_lines_say_and_each_thing_once(
    *,
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    clock: ManualClock,
    settings: SandboxSettings,
    days: list[list[tuple[int, str]]],
) -> None:
    seen: set[str] = set()
    for day in days:
        clock.advance(DAY)
        for amount, fate in day:
            payment_id = await paid(razorpay, person, amount)
            if fate == "refund":
                await razorpay.post(f"/payments/{payment_id}/refund")
            elif fate == "lose":
                url = f"/_sandbox/razorpay/payments/{payment_id}/dispute"
                dispute = (await person.post(url, json={})).json()
                await razorpay.post(f"/disputes/{dispute['id']}/accept")
        run = await person.post(RUN)
        if run.status_code == 409:
            continue
        lines = [line for line in await report(razorpay, clock) if line["settlement_id"] == run.json()["id"]]
        assert net(lines) == run.json()["amount"] > 0
        assert not seen & {line["entity_id"] for line in lines}
        seen |= {line["entity_id"] for line in lines}
    query = {"account_number": settings.razorpayx_account_number, "count": "1"}
    booked = (await razorpay.get("/transactions", params=query)).json()["items"]
    settled = (await razorpay.get("/settlements", params={"count": 100})).json()["items"]
    if booked:
        opening = settings.razorpayx_opening_balance
        assert booked[0]["balance"] == opening + sum(settlement["amount"] for settlement in settled[:100])
