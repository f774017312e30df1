"""Many withdrawals at once: real connections, real locks, real commits."""

import asyncio

from tests.parts.payments.till import Till, new_person, rupees
from tillhouse.parts.ledger.api import InsufficientFunds
from tillhouse.parts.payments.api import PayoutView
from tillhouse.parts.payments.domain import PayoutState


async def test_of_500_withdrawals_of_100_from_1000_at_once_ten_succeed(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("1000.00"))
    outcomes = await asyncio.gather(*(till.withdraw(person, "100.00") for _ in range(500)), return_exceptions=True)
    made = [outcome for outcome in outcomes if isinstance(outcome, PayoutView)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, InsufficientFunds)]
    assert (len(made), len(refused)) == (10, 490)
    assert (await till.wallet(person), await till.available(person)) == ("1000.00", "0.00")
    await till.quiet()
    assert {payout["reference_id"] for payout in till.payouts_outside()} == {str(payout.id) for payout in made}
    till.sandbox_clock.advance(200)
    await till.quiet()
    assert {(await till.see_payout(payout)).state for payout in made} == {PayoutState.PROCESSED}
    assert await till.wallet(person) == "0.00"


async def test_one_request_sent_twenty_times_at_once_withdraws_once(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("1000.00"))
    made = await asyncio.gather(*(till.withdraw(person, "100.00", key="form-1") for _ in range(20)))
    assert len({payout.id for payout in made}) == 1
    assert await till.available(person) == "900.00"


async def test_deposits_and_withdrawals_of_many_people_at_once_lose_nothing(till: Till) -> None:
    people = [new_person() for _ in range(10)]
    for person in people:
        await till.verify(await till.pay(await till.order(person, "100.00")))
    await till.quiet()
    orders = await asyncio.gather(*(till.order(person, "50.00") for person in people for _ in range(3)))
    proofs = [await till.pay(order) for order in orders]
    await asyncio.gather(
        *(till.verify(proof) for proof in proofs for _ in range(2)),
        *(till.withdraw(person, "70.00") for person in people),
    )
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    assert {await till.wallet(person) for person in people} == {"180.00"}
    assert await till.house_balance("clearing:razorpay") == "2500.00"
    assert await till.house_balance("payouts:razorpayx") == "700.00"
