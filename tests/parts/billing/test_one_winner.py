"""Of two that want the same, one wins: whatever the amounts, who is first, and how long after the other.

Spend against expiry, renewal (by its job) against cancel, refund against spend. Each example has people of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from tests.money.test_ledger_races import together
from tests.parts.billing.counter import DAY, Counter, open_counter, points
from tests.parts.payments.till import new_person, rupees
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.billing import api
from tillhouse.parts.billing.events import Advance
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.events import ExpireLots

Check = Callable[..., Awaitable[None]]
delays = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))


class Table:
    """A counter, and the loop that it lives in, for tests that Hypothesis runs many times."""

    def __init__(self, settings: KernelSettings) -> None:
        self.runner = asyncio.Runner()
        self._opened = open_counter(settings)
        self.counter: Counter = self.runner.run(self._opened.__aenter__())

    def close(self) -> None:
        self.runner.run(self._opened.__aexit__(None, None, None))
        self.runner.close()

    def try_all(self, check: Check, examples: int, **drawn: st.SearchStrategy[Any]) -> None:
        """`check` with the counter and each example of what is drawn."""

        @effort(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(**drawn)
        def one(**values: object) -> None:
            self.runner.run(check(self.counter, **values))

        one()


@pytest.fixture
def table(settings: KernelSettings) -> Iterator[Table]:
    opened = Table(settings)
    yield opened
    opened.close()


async def after(steps: int, act: Awaitable[object]) -> object:
    """Do it when the others have had that many turns, some of them long enough for an answer of the database."""
    for _ in range(steps):
        await asyncio.sleep(0.001)
    return await act


async def run_job(counter: Counter, task: Advance | ExpireLots) -> None:
    async with counter.till.house.database.transaction() as session:
        await enqueue(session, task)
    await run_due(counter.till.house)


def test_spending_and_expiry_share_what_there_is_and_nothing_is_lost(table: Table) -> None:
    table.try_all(
        spending_and_expiry, 8,
        ending=st.integers(1, 40), lasting=st.integers(0, 40), wanted=st.integers(1, 60), waits=delays,
    )  # fmt: skip


async def spending_and_expiry(
    counter: Counter, ending: int, lasting: int, wanted: int, waits: tuple[int, int, int]
) -> None:
    asha = new_person()
    await counter.give(asha, ending, days=1)
    if lasting:
        await counter.give(asha, lasting)

    async def spend() -> None:
        await counter.capture(await counter.reserve(asha, wanted), wanted)

    async def end() -> None:
        counter.till.at.advance(DAY)

    outcome = await together(
        [after(waits[0], spend()), after(waits[1], run_job(counter, ExpireLots())), after(waits[2], end())]
    )
    await run_job(counter, ExpireLots())
    spent = wanted if "InsufficientFunds" not in outcome else 0
    async with counter.till.house.database.reading() as session:
        lots = await ledger.lots_of(session, api.points_of(api.person(asha)))
        moves = [move for lot in lots for move in await ledger.lot_movements(session, lot.id)]
    taken = {kind: -sum(one.amount.minor for one in moves if one.kind == kind) for kind in ("spend", "expire")}
    left = await counter.points(asha)
    assert (taken["spend"], taken["expire"] + left) == (spent, ending + lasting - spent)
    before_the_end = max(ending - spent, 0)  # what ends is spent first, while it has not ended
    assert (taken["expire"], left) in {(before_the_end, ending + lasting - spent - before_the_end),
                                       (ending, lasting - spent)}  # fmt: skip
    assert spent or wanted > lasting


def test_a_renewal_by_its_job_and_a_cancellation_have_one_winner(table: Table) -> None:
    table.try_all(
        renewal_and_cancel, 7,
        paise=st.sampled_from([0, 29_999, 30_000, 45_000]), at_once=st.booleans(), waits=delays,
    )  # fmt: skip


async def renewal_and_cancel(counter: Counter, paise: int, at_once: bool, waits: tuple[int, int, int]) -> None:
    asha = new_person()
    await counter.till.give(asha, rupees("300.00"))
    view, first = await counter.subscribe(asha)
    assert first
    await counter.pay_from_wallet(first)
    view = await counter.see(view)
    if paise:
        await counter.till.give(asha, Money(paise, "INR"))
    counter.till.at.at = view.paid_until - DAY
    await run_job(counter, Advance(subscription_id=view.id))
    counter.till.at.at = view.paid_until - timedelta(microseconds=waits[2] % 2)  # the moment it is due, or one before
    renewal, _ = await counter.invoices(asha)
    assert renewal.state == "open"
    await together(
        [after(waits[0], run_job(counter, Advance(subscription_id=view.id))),
         after(waits[1], counter.cancel(view, at_once=at_once))]
    )  # fmt: skip
    paid, end = (await counter.see_invoice(renewal)).state == "paid", await counter.see(view)
    left = str(Money(paise - 30_000 if paid else paise, "INR"))
    assert await counter.till.wallet(asha) == left
    assert (end.paid_until > view.paid_until) == paid
    if paid:
        assert (end.state, end.ends_at_period_end) == (("cancelled", False) if at_once else ("active", True))
    else:
        assert (await counter.see_invoice(renewal)).state == "void"
        assert end.state == "cancelled" or end.ends_at_period_end
    counter.till.at.at = max(counter.till.at.at, view.paid_until)
    await run_job(counter, Advance(subscription_id=view.id))
    assert (await counter.see(view)).state == ("active" if paid and not at_once else "cancelled")
    assert await counter.till.wallet(asha) == left


def test_a_refund_and_spending_never_share_a_point(table: Table) -> None:
    table.try_all(
        refund_and_spending, 5,
        rupees_back=st.integers(1, 500), wanted=st.sampled_from([1, 250, 499, 500]), waits=delays,
    )  # fmt: skip


async def refund_and_spending(counter: Counter, rupees_back: int, wanted: int, waits: tuple[int, int, int]) -> None:
    asha = new_person()
    order = await counter.pay(await counter.buy(asha))

    async def spend() -> None:
        await counter.capture(await counter.reserve(asha, wanted), wanted)

    outcome = await together([after(waits[0], spend()), after(waits[1], counter.refund(order, f"{rupees_back}.00"))])
    fits = wanted + rupees_back <= 500  # a point of this package is a rupee
    assert outcome["done"] == (2 if fits else 1), outcome
    async with counter.till.house.database.reading() as session:
        (lot,) = await ledger.lots_of(session, api.points_of(api.person(asha)))
        moves = await ledger.lot_movements(session, lot.id)
    taken = sorted((one.kind, -one.amount.minor) for one in moves)
    both = [("revoke", rupees_back), ("spend", wanted)]
    assert taken == both if fits else taken in ([both[0]], [both[1]])
    assert lot.remaining == points(500 - sum(amount for _, amount in taken))
