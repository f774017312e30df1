"""Whatever the order in which the news of one payment arrives, and however often: it is credited once."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

import pytest

from tests.parts.payments.till import Till, new_person
from tillhouse.kernel.money import Money
from tillhouse.kernel.work import run_due
from tillhouse.parts.payments.api import OrderView
from tillhouse.parts.payments.domain import Method, OrderState
from tillhouse.sandbox.razorpay.links import PaymentLink
from tillhouse.sandbox.razorpay.qr_codes import QrCode
from tillhouse.sandbox.razorpay.schemas import Order
from tillhouse.sandbox.webhooks import Delivery

NEWS = ("verify", "payment.authorized", "payment.captured", "order.paid")
BATCHES = 12
AT_ONCE = 8


def every_order(left: Counter[str]) -> Iterator[tuple[str, ...]]:
    """Every distinct order of a multiset."""
    if not left:
        yield ()
    for piece in sorted(left):
        rest = left.copy()
        rest[piece] -= 1
        for others in every_order(+rest):
            yield (piece, *others)


def test_there_are_2520_orders_of_four_pieces_of_news_told_twice() -> None:
    assert sum(1 for _ in every_order(Counter(2 * NEWS))) == 2520


@dataclass
class Case:
    """One order that was paid, and the news of it."""

    till: Till
    person: UUID
    order: OrderView
    proof: dict[str, Any]
    events: dict[str, Delivery]

    @classmethod
    async def begin(cls, till: Till) -> "Case":
        known = {event.id for event in till.webhooks()}
        order = await till.order(person := new_person())
        proof = await till.pay(order)
        return cls(till, person, order, proof, {e.event: e for e in till.webhooks() if e.id not in known})

    async def hear(self, piece: str) -> None:
        if piece == "verify":
            await self.till.verify(self.proof)
        else:
            await self.till.take(self.events[piece])


async def side_by_side(doing: Iterable[Coroutine[Any, Any, None]]) -> None:
    """As many at once as the house has connections."""
    waiting = list(doing)
    for start in range(0, len(waiting), AT_ONCE):
        await asyncio.gather(*waiting[start : start + AT_ONCE])


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES))
async def test_every_order_of_the_news_told_twice_credits_once(till: Till, batch: int) -> None:
    """Each piece of news is settled before the next one comes. Many orders go through it side by side.

    Events are handed in behind the address: the address itself is tested where it costs a request less than 15,000.
    """
    sequences = list(islice(every_order(Counter(2 * NEWS)), batch, None, BATCHES))
    everything = str(Money(15_000 * len(sequences), "INR"))
    cases = [await Case.begin(till) for _ in sequences]
    for position in range(2 * len(NEWS)):
        await side_by_side(case.hear(sequence[position]) for case, sequence in zip(cases, sequences, strict=True))
        await run_due(till.house)
        assert await till.house_balance("clearing:razorpay") == everything, position
    assert {await till.wallet(case.person) for case in cases} == {"150.00"}
    assert {(await till.see_order(case.order)).state for case in cases} == {OrderState.CAPTURED}
    assert await till.exceptions() == []


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


CODE_NEWS = ("payment.authorized", "payment.captured", "qr_code.credited", "qr_code.closed")
LINK_NEWS = ("payment.authorized", "payment.captured", "payment_link.paid", "order.paid")


async def paid_another_way(till: Till, method: Method, *, noted: bool) -> Case:
    """An order paid by scanning a code or through a link; without our receipt in its notes unless `noted`."""
    known = {event.id for event in till.webhooks()}
    order = await till.order(person := new_person(), method=method)
    store, order_id = till.sandbox.world.store, order.provider_order_id or ""
    if method == Method.UPI_QR:
        path, made = "qr_codes", store.get(QrCode, order_id)
    else:
        link = store.get(PaymentLink, order_id)
        path, made = "payment_links", store.get(Order, link.order_id) if link else None
    assert made
    if not noted:
        store.put(made.model_copy(update={"notes": {}}))
    assert (await till.outside("POST", f"/_sandbox/razorpay/{path}/{order_id}/pay", {})).status_code == 200
    return Case(till, person, order, {}, {e.event: e for e in till.webhooks() if e.id not in known})


@pytest.mark.parametrize("noted", [True, False], ids=["with our receipt", "without it"])
@pytest.mark.parametrize(("method", "news"), [(Method.UPI_QR, CODE_NEWS), (Method.PAYMENT_LINK, LINK_NEWS)])
async def test_every_order_of_the_news_of_a_code_or_link_credits_once(
    till: Till, method: Method, news: tuple[str, ...], noted: bool
) -> None:
    """A payment for a code names no order at all, one for a link an order that is not ours: Razorpay is asked."""
    sequences = list(every_order(Counter(news)))
    assert len(sequences) == 24
    cases = [await paid_another_way(till, method, noted=noted) for _ in sequences]
    for position in range(len(news)):
        await side_by_side(case.hear(sequence[position]) for case, sequence in zip(cases, sequences, strict=True))
        await run_due(till.house)
    assert {await till.wallet(case.person) for case in cases} == {"150.00"}
    assert {(await till.see_order(case.order)).state for case in cases} == {OrderState.CAPTURED}
    assert (await till.parked(), await till.exceptions()) == ([], [])


@pytest.mark.parametrize("method", [Method.UPI_QR, Method.PAYMENT_LINK])
async def test_the_first_news_alone_credits(till: Till, method: Method) -> None:
    """`payment.captured` before anything that names our order."""
    case = await paid_another_way(till, method, noted=False)
    await case.hear("payment.captured")
    await run_due(till.house)
    assert (await till.wallet(case.person), await till.parked(), await till.exceptions()) == ("150.00", [], [])
