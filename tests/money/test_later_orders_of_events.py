"""Whatever the order in which the news of a refund, a dispute or a payout arrives, and however often: it ends once."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import permutations

import pytest

from tests.money.flows import DASHBOARD, DISPUTES, REFUNDS, WITHDRAWALS, Case, Flow, Town, open_town
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.sandbox.webhooks import Delivery

FLOWS = (*REFUNDS, *DASHBOARD, *DISPUTES, *WITHDRAWALS)


class Untold:
    """A case that has run to its end outside, and of which no event has arrived."""

    def __init__(self, town: Town, case: Case, events: Mapping[str, str]) -> None:
        self.town, self.case, self.events = town, case, events

    @classmethod
    async def begin(cls, town: Town, flow: Flow) -> "Untold":
        till, case = town.till, flow.make(town)
        earlier = {event.id for event in deliveries(town)}
        await case.begin()
        # What is told of before it runs is only what was given back at a dashboard.
        earlier |= {
            event.id for event in deliveries(town) if event.status == "delivered" or "refund" not in event.event
        }
        await till.fault("drop", provider="*", count=10_000)
        await case.run()
        till.at.advance(timedelta(seconds=900))
        till.sandbox_clock.advance(900)
        await till.quiet()
        await till.outside("DELETE", "/_sandbox/faults")
        untold = [event for event in deliveries(town) if event.id not in earlier]
        return cls(town, case, {event.event: event.id for event in untold})

    async def hear(self, event: str) -> None:
        await self.town.till.sandbox.world.webhooks.attempt(self.events[event], with_faults=False)
        while await run_due(self.town.till.house):
            pass


def deliveries(town: Town) -> list[Delivery]:
    return town.till.sandbox.world.store.find(Delivery, limit=100_000)


def orders(events: list[str]) -> Iterator[tuple[str, ...]]:
    """Every order: the whole of it told twice, and the next with each told twice in a row."""
    for number, order in enumerate(permutations(sorted(events))):
        yield (*order, *order) if number % 2 else tuple(event for event in order for _ in range(2))


def test_every_way_that_money_goes_back_or_out_is_told_of_in_every_order() -> None:
    assert {flow.provider for flow in FLOWS} == {"omise", "razorpay", "razorpayx", "stripe"}
    assert list(orders(["b", "a"])) == [("a", "a", "b", "b"), ("b", "a", "b", "a")]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("flow", FLOWS, ids=str)
async def test_every_order_of_its_events_told_twice_ends_it_once(settings: KernelSettings, flow: Flow) -> None:
    async with open_town(settings) as town:
        one = await Untold.begin(town, flow)
        for order in orders(list(one.events)):
            for event in order:
                await one.hear(event)
            await one.case.ended()
            told, one = one, await Untold.begin(town, flow)
            assert told.events.keys() == one.events.keys() != set()
        assert (await town.till.parked(), await town.till.subjects("provider_disagrees")) == ([], [])
