"""Whatever the order in which the news of one payment arrives, and however often: it is credited once."""

from collections import Counter
from itertools import islice, permutations

import pytest

from tests.money.flows import CHECKOUT, TAKEN, Deposit, Town, open_town
from tests.money.news import VERIFY, Paid, every_order, orders_told_twice, stand_still, tell
from tests.parts.payments.test_every_provider import WAYS, Way
from tests.parts.payments.till import Till, new_person
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import Method
from tillhouse.sandbox.razorpay.links import PaymentLink
from tillhouse.sandbox.razorpay.qr_codes import QrCode
from tillhouse.sandbox.razorpay.schemas import Order

NEWS = (VERIFY, "payment.authorized", "payment.captured", "order.paid")
BATCHES = 6


def test_there_are_2520_orders_of_four_pieces_of_news_told_twice() -> None:
    assert sum(1 for _ in every_order(Counter(2 * NEWS))) == 2520
    assert [len(set(orders_told_twice("abcdef"[:n]))) for n in (1, 2, 3, 4)] == [1, 6, 90, 48]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("batch", range(BATCHES))
async def test_every_order_of_the_news_told_twice_credits_once(settings: KernelSettings, batch: int) -> None:
    orders = list(islice(every_order(Counter(2 * NEWS)), batch, None, BATCHES))
    async with open_town(settings) as town:
        paid = await Paid.begin_all(town, (Deposit(town, CHECKOUT, verified=True) for _ in orders))
        stand_still(town, CHECKOUT.provider)
        everything = str(Money(CHECKOUT.amount.minor * len(orders), CHECKOUT.amount.unit))
        for position in range(2 * len(NEWS)):
            pieces = [order[position : position + 1] for order in orders]
            await tell(town, paid, pieces, in_company=(batch + position) % 3 > 0)
            assert await town.till.house_balance("clearing:razorpay") == everything, position
        await credited_once(town, paid)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("way", [way for way in TAKEN if way != CHECKOUT], ids=str)
async def test_every_order_of_the_events_of_every_way_told_twice_credits_once(
    settings: KernelSettings, way: Way
) -> None:
    """A payment for Razorpay's code names no order at all, one for its link an order that is not ours, and Stripe's
    names no session: the gateway is asked.
    """
    async with open_town(settings) as town:
        first = await Paid.begin(Deposit(town, way))
        orders = list(orders_told_twice(tuple(first.events)))
        paid = [first, *await Paid.begin_all(town, (Deposit(town, way) for _ in orders[1:]))]
        assert {tuple(one.events) for one in paid} == {tuple(first.events)}
        stand_still(town, way.provider)
        await tell(town, paid, orders)
        await credited_once(town, paid)


@pytest.mark.parametrize("way", [way for way in WAYS if way.method in (Method.UPI_QR, Method.PAYMENT_LINK)], ids=str)
async def test_every_order_of_the_events_of_a_code_or_link_without_our_receipt_credits_once(
    settings: KernelSettings, way: Way
) -> None:
    async with open_town(settings) as town:
        first = await Paid.begin(WithoutReceipt(town, way))
        orders = list(permutations(first.events))
        paid = [first] + [await Paid.begin(WithoutReceipt(town, way)) for _ in orders[1:]]
        await tell(town, paid, orders)
        await credited_once(town, paid)


class WithoutReceipt(Deposit):
    """Razorpay has lost the notes of the order."""

    async def pay(self, order: api.OrderView) -> None:
        store, order_id = self.till.sandbox.world.store, order.provider_order_id or ""
        made: QrCode | Order | None = store.get(QrCode, order_id)
        if link := store.get(PaymentLink, order_id):
            made = store.get(Order, link.order_id)
        assert made
        store.put(made.model_copy(update={"notes": {}}))
        await super().pay(order)


async def credited_once(town: Town, paid: list[Paid]) -> None:
    for one in paid:
        await one.case.ended()
    assert (await town.till.parked(), await town.till.exceptions()) == ([], [])


@pytest.mark.parametrize("late_first", [True, False])
async def test_news_that_arrives_before_any_job_runs_credits_once(till: Till, late_first: bool) -> None:
    person = new_person()
    order = await till.order(person)
    proof = await till.pay(order)
    events = till.webhooks()
    for event in reversed(events) if late_first else events:
        for _ in range(2):
            await till.deliver(event)
    await till.verify(proof)
    await run_due(till.house)
    assert await till.wallet(person) == "150.00"


@pytest.mark.parametrize("way", [way for way in WAYS if way.method in (Method.UPI_QR, Method.PAYMENT_LINK)], ids=str)
async def test_the_first_news_alone_credits(settings: KernelSettings, way: Way) -> None:
    """`payment.captured` before anything that names our order."""
    async with open_town(settings) as town:
        paid = await Paid.begin(WithoutReceipt(town, way))
        await paid.hear("payment.captured")
        await run_due(town.till.house)
        await credited_once(town, [paid])
