"""The console's side of ending what nobody knows: who sees what, what is asked once more, and what refuses."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.parts.payments.desk import Desk, Seat, open_desk, plain
from tests.parts.payments.test_console import resolution_of
from tests.parts.payments.test_endings import dashboard, lost_payout, lost_refund, paid_outside
from tests.parts.payments.test_refunds import payment_of
from tests.parts.payments.till import new_person
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.payments.domain import PayoutState, RefundState
from tillhouse.parts.payments.service.payouts import record_payout

NEVER = {"outcome": "never_happened", "explanation": "RazorpayX wrote that there is none."}


@pytest.fixture
async def desk(settings: KernelSettings) -> AsyncIterator[Desk]:
    async with open_desk(settings) as opened:
        yield opened


async def exception_about(desk: Desk, subject: object) -> str:
    query = "SELECT id FROM payments.exceptions WHERE subject = :subject AND closed_at IS NULL"
    return await desk.one(query, subject=str(subject))


async def test_a_payout_that_never_happened_is_ended_from_its_own_page(desk: Desk) -> None:
    payout = await lost_payout(desk.till, person := new_person())
    exception = await exception_about(desk, payout.id)
    meera, ravi = await desk.seat("Meera Iyer"), await desk.seat("Ravi Das")
    page = (await meera.client.get(f"/console/payments/payouts/{payout.id}")).text
    assert f"/console/payments/exceptions/{exception}" in page
    assert "Say what became of it" in await meera.see(f"/exceptions/{exception}")
    for change, why in (
        ({"outcome": ""}, "Choose"),
        ({"explanation": "short"}, "10"),
        ({"outcome": "happened"}, "Write the id under which the provider has it"),
        ({"outcome": "happened", "provider_id": "pout_Nobody00000001"}, "knows nothing under this id"),
    ):
        refused = await meera.post(f"/exceptions/{exception}/propose-end", {**NEVER, **change})
        assert refused.status_code == 422, change
        assert why in plain(refused.text), (change, plain(refused.text))
    assert (await meera.post(f"/exceptions/{exception}/propose-end", NEVER)).status_code == 303
    proposal = {"resolution": await resolution_of(desk, exception)}
    same = await meera.post(f"/exceptions/{exception}/approve", proposal)
    assert "by somebody other than who made it" in plain(same.text)
    before = await desk.state()
    asked = await ravi.post(f"/exceptions/{exception}/approve", proposal)
    shown = plain(asked.text)
    for line in (
        "Did ₹100.00 never leave?",
        "Set aside, free again ₹100.00",
        "Free ₹0.00 → ₹100.00",
        NEVER["explanation"],
    ):
        assert line in shown, line
    assert await desk.state() == before
    await ravi.twice(f"/exceptions/{exception}/approve", proposal)
    assert (await desk.till.see_payout(payout)).state == PayoutState.CANCELLED
    assert await desk.till.available(person) == "100.00"
    assert await desk.audited() == ["payments.propose_end", "payments.approve_end"]
    told = await ravi.see(f"/exceptions/{exception}")
    for line in ("How it ended", "It never happened", "Meera Iyer", "Ravi Das"):
        assert line in told, line
    assert "Say what became of it" not in await ravi.see(f"/payouts/{payout.id}")


async def test_the_last_question_is_not_asked_about_what_the_provider_has_after_all(desk: Desk) -> None:
    payout = await lost_payout(desk.till, new_person())
    exception = await exception_about(desk, payout.id)
    meera, ravi = await desk.seat("Meera Iyer"), await desk.seat("Ravi Das")
    await meera.post(f"/exceptions/{exception}/propose-end", NEVER)
    await paid_outside(desk.till, payout.id)
    refused = await ravi.post(f"/exceptions/{exception}/approve", {"resolution": await resolution_of(desk, exception)})
    assert refused.status_code == 422
    assert "knows it after all" in plain(refused.text)
    assert (await desk.till.see_payout(payout)).state == PayoutState.PROCESSED


async def test_whose_money_it_is_is_told_that_somebody_else_decides(desk: Desk) -> None:
    meera: Seat = await desk.seat("Meera Iyer")
    assert meera.id
    payout = await lost_payout(desk.till, meera.id)
    before = await desk.state()
    refused = await meera.post(f"/exceptions/{await exception_about(desk, payout.id)}/propose-end", NEVER)
    assert refused.status_code == 422
    assert "somebody else decides about it" in plain(refused.text)
    assert await desk.state() == before


async def test_a_payout_that_was_freed_and_spent_shows_what_the_house_lends_before_it_is_booked(desk: Desk) -> None:
    till = desk.till
    payout = await lost_payout(till, person := new_person())
    meera, ravi = await desk.seat("Meera Iyer"), await desk.seat("Ravi Das")
    exception = await exception_about(desk, payout.id)
    await meera.post(f"/exceptions/{exception}/propose-end", NEVER)
    await ravi.twice(f"/exceptions/{exception}/approve", {"resolution": await resolution_of(desk, exception)})
    await till.withdraw(person, "70.00")
    found = replace(await paid_outside(till, new_id()), reference=str(payout.id))
    async with till.house.database.transaction() as session:
        await record_payout(session, payout.id, found)
    exception = await exception_about(desk, payout.id)
    body = {"outcome": "happened", "provider_id": found.payout_id, "explanation": "It stands in RazorpayX."}
    assert (await meera.post(f"/exceptions/{exception}/propose-end", body)).status_code == 303
    asked = await ravi.twice(f"/exceptions/{exception}/approve", {"resolution": await resolution_of(desk, exception)})
    for line in ("Did ₹100.00 leave?", "the owner of the wallet owes it ₹70.00", found.payout_id):
        assert line in asked, line
    assert "Lent by the house ₹70.00" in await ravi.see(f"/payouts/{payout.id}")


async def test_a_refund_is_ended_the_same_way(desk: Desk) -> None:
    till, person = desk.till, await desk.person("Asha Rao")
    payment = await payment_of(till, await till.deposit(person, "100.00"))
    made = await lost_refund(till, payment, "60.00")
    name = await dashboard(till, payment, 6_000)
    exception = await exception_about(desk, made)
    meera, ravi = await desk.seat("Meera Iyer"), await desk.seat("Ravi Das")
    assert (
        f"/console/payments/exceptions/{exception}"
        in (await meera.client.get(f"/console/payments/refunds/{made}")).text
    )
    body = {"outcome": "happened", "provider_id": name, "explanation": "It stands in Razorpay."}
    assert (await meera.post(f"/exceptions/{exception}/propose-end", body)).status_code == 303
    asked = await ravi.twice(f"/exceptions/{exception}/approve", {"resolution": await resolution_of(desk, exception)})
    assert "Balance ₹100.00 → ₹40.00" in asked
    assert await desk.one("SELECT state FROM payments.refunds WHERE id = :id", id=made) == RefundState.PROCESSED
    assert await till.wallet(person) == "40.00"
