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
from tillhouse.parts.payments.domain import OrderState
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
