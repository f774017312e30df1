"""What people complained of in other payment systems, each as a test of ours.

Refunds in parallel, repeated, after a payout: `tests/parts/payments/test_refunds.py`. Disputes in any order:
`test_disputes.py`. Duplicates and races of deposits: `test_deposit_orders_of_events.py`. Unknown outcomes of payouts:
`test_payout_timeouts.py`.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.parts.payments.gateways import payment_outside
from tests.parts.payments.till import Till, new_person, open_till, rupees, shop
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import OrderState, PayoutState, Vpa
from tillhouse.parts.payments.service.settle import settle


@pytest.fixture
async def till(settings: KernelSettings) -> AsyncIterator[Till]:
    async with open_till(settings, shop()) as opened:
        yield opened


async def test_a_payment_that_fails_after_its_money_was_booked_is_told_to_a_person(till: Till) -> None:
    """Lago #5947: credits were granted, the payment failed late, and nobody was told."""
    order = await till.deposit(person := new_person(), "100.00")
    facts = await payment_outside(till, order)
    async with till.house.database.transaction() as session:
        await settle(session, replace(facts, state=OrderState.FAILED))
    assert ("payment", "failed_after_capture") in await till.exceptions()
    assert (await till.wallet(person), (await till.see_order(order)).state) == ("100.00", OrderState.CAPTURED)


@pytest.mark.parametrize("minor", [0, 1, 9_999, 10_001])
async def test_a_payment_over_another_amount_than_the_orders_books_nothing(till: Till, minor: int) -> None:
    """Lago #5536: a payment was built with amount 0."""
    order = await till.order(person := new_person(), "100.00")
    await till.pay(order)
    facts = await payment_outside(till, order)
    async with till.house.database.transaction() as session:
        amount = replace(facts.amount, minor=minor)
        assert await settle(session, replace(facts, amount=amount)) == "foreign_amount"
    assert await till.wallet(person) == "0.00"


async def test_one_payment_pays_one_order(till: Till) -> None:
    """Magento #283: two orders for one payment."""
    first, second = await till.deposit(new_person(), "100.00"), await till.order(person := new_person(), "100.00")
    facts = await payment_outside(till, first)
    async with till.house.database.transaction() as session:
        claimed = replace(facts, order_id=second.provider_order_id or "")
        assert await settle(session, claimed) == "payment_of_another_order"
    assert (await till.wallet(person), (await till.see_order(second)).state) == ("0.00", OrderState.PENDING)


async def test_the_same_top_up_sent_at_once_and_later_credits_once(till: Till) -> None:
    """Lago #5870, #3618, #2243."""
    person = new_person()
    orders = await asyncio.gather(*(till.order(person, "100.00", request_key="form") for _ in range(8)))
    assert len({order.id for order in orders}) == 1
    proof = await till.pay(orders[0])
    await asyncio.gather(*(till.verify(proof) for _ in range(8)))
    await till.quiet()
    await till.verify(proof)
    assert await till.wallet(person) == "100.00"


async def test_each_partial_refund_takes_itself_not_the_sum(till: Till) -> None:
    """Polar #12740: the wallet was reduced by the cumulative refund each time."""
    person = new_person()
    order = await till.deposit(person, "100.00")
    async with till.house.database.reading() as session:
        (payment,) = await api.payments_of(session, order.id)
    left = ["90.00", "70.00", "40.00", "0.00"]
    for amount, expected in zip(("10.00", "20.00", "30.00", "40.00"), left, strict=True):
        async with till.house.database.transaction() as session:
            await api.start_refund(session, payment.id, rupees(amount), reason="", key=amount, by=None)
        await till.quiet()
        till.sandbox_clock.advance(200)
        await till.quiet()
        assert await till.wallet(person) == expected
    assert (await till.see_order(order)).state == OrderState.REFUNDED


async def test_a_payout_after_one_that_was_reversed_is_one_of_its_own(till: Till) -> None:
    """Polar #9666: a payout after a reversal broke the links."""
    person = new_person()
    await till.deposit(person, "100.00")
    back = await till.withdraw(person, "100.00", to=Vpa("reversed@razorpay"))
    await till.pass_time(timedelta(minutes=30))
    assert (await till.see_payout(back)).state == PayoutState.REVERSED
    again = await till.withdraw(person, "100.00")
    await till.pass_time(timedelta(minutes=30))
    assert (await till.see_payout(again)).state == PayoutState.PROCESSED
    assert (await till.see_payout(back)).state == PayoutState.REVERSED
    assert (await till.wallet(person), await till.house_balance("payouts:razorpayx")) == ("0.00", "100.00")


async def test_a_replayed_event_pays_nothing_out_twice(till: Till) -> None:
    """career-pilot #4378."""
    person = new_person()
    await till.deposit(person, "100.00")
    await till.withdraw(person, "60.00")
    await till.pass_time(timedelta(minutes=30))
    async with till.house.database.transaction() as session:
        events, _ = await api.events(session, limit=100)
        for event in events:
            await api.replay_event(session, event.id)
    await till.pass_time(timedelta(minutes=30))
    assert len(till.payouts_outside()) == 1
    assert await till.wallet(person) == "40.00"


async def test_money_that_is_owed_cannot_be_withdrawn(till: Till) -> None:
    """Polar #4428: what a refund after a payout left is a debt, and is paid before anything leaves."""
    person = new_person()
    order = await till.deposit(person, "100.00")
    await till.withdraw(person, "100.00")
    async with till.house.database.transaction() as session:
        (payment,) = await api.payments_of(session, order.id)
        await api.start_refund(session, payment.id, rupees("50.00"), reason="", key="k", by=None, advance=True)
    await till.pass_time(timedelta(minutes=30))
    async with till.house.database.transaction() as session:  # a product pays them something
        wallet, amount = ledger.AccountRef("person", person, "wallet", "INR"), rupees("60.00")
        sales = ledger.house_account("sales", "INR")
        legs = (ledger.debit(sales, amount), ledger.credit(wallet, amount))
        await ledger.post(session, ledger.Posting(key="shop.earned", kind="shop.sale", legs=legs))
    with pytest.raises(ledger.InsufficientFunds):
        await till.withdraw(person, "60.00")
    await till.withdraw(person, "10.00")
    assert await till.available(person) == "0.00"
