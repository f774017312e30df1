"""Lots against a small model of them, and under real concurrency: whatever the order, the same rules."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from tests.money.test_ledger_races import together
from tests.parts.ledger.books import key
from tests.parts.ledger.purse import DAY, START, Purse, member, open_purse, points
from tests.parts.payments.crashes import Killed
from tillhouse.kernel import clock
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.store import lots as store

T = TypeVar("T")
GRACE = 7 * DAY
amounts = st.integers(1, 30)


@dataclass
class Batch:
    """A lot as the model sees it: a number of points, in no database."""

    place: int
    left: int
    source: str
    priority: int
    ends: datetime | None

    def order(self) -> tuple[int, bool, datetime, int]:
        return self.priority, self.ends is None, self.ends or START, self.place

    def ended(self, now: datetime) -> bool:
        return self.ends is not None and self.ends <= now


@dataclass
class Purchase:
    """Something that was spent: how much of which lot is not given back yet, in the order taken."""

    moved: ledger.LotsMoved
    taken: list[tuple[Batch, int]]


@dataclass
class Reserved:
    """A hold of the model."""

    hold: ledger.Hold
    pins: list[tuple[Batch, int]]


@dataclass
class Model:
    """What lots promise. Everything is of one account."""

    now: datetime = START
    lots: list[Batch] = field(default_factory=list)
    open: list[Reserved] = field(default_factory=list)

    def pinned(self, lot: Batch) -> int:
        return sum(amount for held in self.open for pinned, amount in held.pins if pinned is lot)

    def choose(self, amount: int, source: str | None) -> list[tuple[Batch, int]] | None:
        """The lots a spend takes from, or None."""
        chosen = []
        for lot in sorted(self.lots, key=Batch.order):
            free = 0 if lot.ended(self.now) or source not in (None, lot.source) else lot.left - self.pinned(lot)
            share = min(free, amount)
            if share:
                chosen.append((lot, share))
                amount -= share
        return None if amount else chosen

    def sweep(self) -> None:
        for lot in self.lots:
            if lot.ended(self.now):
                lot.left = self.pinned(lot)


class LotsMachine(RuleBasedStateMachine):
    """One account of its own per example; the clock only moves forward."""

    purchases = Bundle("purchases")
    reservations = Bundle("reservations")

    def __init__(self, purse: Purse, runner: asyncio.Runner) -> None:
        super().__init__()
        self.purse, self.runner, self.account, self.model = purse, runner, member(), Model()

    def ask(self, operation: Coroutine[Any, Any, T]) -> T | DomainError:
        try:
            with clock.held(self.model.now):
                return self.runner.run(operation)
        except DomainError as refusal:
            return refusal

    @rule(
        amount=amounts,
        source=st.sampled_from(["purchased", "earned", "promotional"]),
        priority=st.integers(0, 1),
        days=st.none() | st.integers(1, 10),
    )
    def grant(self, amount: int, source: str, priority: int, days: int | None) -> None:
        ends = None if days is None else self.model.now + days * DAY
        result = self.ask(self.purse.grant(self.account, amount, source=source, priority=priority, expires_at=ends))
        assert isinstance(result, ledger.Lot)
        self.model.lots.append(Batch(len(self.model.lots), amount, source, priority, ends))

    @rule(target=purchases, amount=amounts, source=st.none() | st.sampled_from(["purchased", "promotional"]))
    def spend(self, amount: int, source: str | None) -> Any:
        chosen, named = self.model.choose(amount, source), key()
        terms = {"key": named} if source is None else {"key": named, "sources": [source]}
        result = self.ask(self.purse.spend(self.account, amount, **terms))
        if chosen is None:
            assert isinstance(result, ledger.InsufficientFunds)
            return multiple()
        assert isinstance(result, ledger.LotsMoved)
        for lot, share in chosen:
            lot.left -= share
        again = self.ask(self.purse.spend(self.account, amount, **terms))
        assert isinstance(again, ledger.LotsMoved)
        assert (again.transaction_id, again.parts) == (result.transaction_id, result.parts)
        return Purchase(result, chosen)

    @rule(purchase=purchases, amount=amounts)
    def refund(self, purchase: Purchase, amount: int) -> None:
        result = self.ask(self.purse.refund(purchase.moved, amount))
        if amount > sum(share for _, share in purchase.taken):
            assert isinstance(result, ledger.RefundTooLarge)
            return
        assert isinstance(result, ledger.LotsMoved), result
        returned = []
        while amount:
            lot, share = purchase.taken.pop()
            back = min(share, amount)
            returned.append((lot, back))
            amount -= back
            if share > back:
                purchase.taken.append((lot, share - back))
        if any(lot.ended(self.model.now) and lot.left > self.model.pinned(lot) for lot, _ in returned):
            self.model.sweep()
        for lot, back in returned:
            lot.left += back
            if lot.ended(self.model.now):
                lot.ends = self.model.now + GRACE

    @rule(target=reservations, amount=amounts)
    def reserve(self, amount: int) -> Any:
        chosen = self.model.choose(amount, None)
        result = self.ask(self.purse.reserve(self.account, amount))
        if chosen is None:
            assert isinstance(result, ledger.InsufficientFunds)
            return multiple()
        assert isinstance(result, ledger.Hold)
        self.model.open.append(held := Reserved(result, chosen))
        return held

    @rule(target=purchases, held=reservations, amount=amounts)
    def charge(self, held: Reserved, amount: int) -> Any:
        result = self.ask(self.purse.charge(held.hold, amount))
        if held not in self.model.open:
            assert isinstance(result, ledger.HoldEnded)
            return multiple()
        if amount > held.hold.amount.minor:
            assert isinstance(result, ledger.CaptureNotCovered)
            return multiple()
        assert isinstance(result, ledger.LotsMoved)
        self.model.open.remove(held)
        taken = []
        for lot, pinned in sorted(held.pins, key=lambda pin: pin[0].order()):
            if share := min(pinned, amount):
                lot.left -= share
                amount -= share
                taken.append((lot, share))
        return Purchase(result, taken)

    @rule(held=reservations)
    def release(self, held: Reserved) -> None:
        result = self.ask(self.purse.void(held.hold.id))
        if held in self.model.open:
            assert isinstance(result, ledger.Hold)
            self.model.open.remove(held)

    @rule(days=st.integers(1, 4))
    def time_passes(self, days: int) -> None:
        self.model.now += days * DAY

    @rule()
    def expire(self) -> None:
        self.ask(self.purse.expire())
        self.model.sweep()

    @invariant()
    def what_is_left_agrees(self) -> None:
        left = [lot.left for lot in self.model.lots]
        assert self.runner.run(self.purse.left(self.account)) == left
        held = sum(held.hold.amount.minor for held in self.model.open)
        assert self.runner.run(self.purse.balance(self.account)) == (sum(left), held, sum(left) - held)


def test_any_series_of_operations_on_lots_agrees_with_the_model(settings: KernelSettings) -> None:
    with asyncio.Runner() as runner:
        context = open_purse(settings)
        purse = runner.run(context.__aenter__())
        run_state_machine_as_test(lambda: LotsMachine(purse, runner), settings=_EFFORT)  # type: ignore[no-untyped-call]
        runner.run(context.__aexit__(None, None, None))


_EFFORT = effort(max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
async def purse(settings: KernelSettings) -> AsyncIterator[Purse]:
    async with open_purse(settings, pool=20) as opened:
        yield opened


async def test_of_200_spends_of_2_from_100_points_at_once_fifty_succeed(purse: Purse) -> None:
    account = member()
    for days in (None, 1, 2, 3):
        await purse.grant(account, 25, days)
    outcome = await together([purse.spend(account, 2) for _ in range(200)])
    assert outcome == {"done": 50, "InsufficientFunds": 150}
    assert await purse.left(account) == [0, 0, 0, 0]


async def test_reservations_at_once_pin_no_point_twice(purse: Purse) -> None:
    account = member()
    for days in (None, 1, 2, 3):
        await purse.grant(account, 25, days)
    outcome = await together([purse.reserve(account, 10) for _ in range(40)])
    assert outcome == {"done": 10, "InsufficientFunds": 30}
    async with purse.house.database.reading() as session:
        lots = await ledger.lots_of(session, account)
    assert [lot.reserved for lot in lots] == [points(25)] * 4


async def test_spenders_refunds_reservations_and_the_expiry_together_lose_and_make_no_point(purse: Purse) -> None:
    accounts = [member() for _ in range(3)]
    spent, held = [], []
    for account in accounts:
        for days in (1, 1, 5):
            await purse.grant(account, 60, days)
        spent += [await purse.spend(account, 3) for _ in range(5)]
        held += [await purse.reserve(account, 4) for _ in range(5)]
    attempts: list[Awaitable[object]] = [purse.expire() for _ in range(6)]
    attempts += [purse.refund(one, 3) for one in spent for _ in range(2)]
    attempts += [purse.charge(one, 2) for one in held] + [purse.void(one.id) for one in held]
    attempts += [purse.spend(account, 5) for account in accounts for _ in range(15)]
    attempts += [purse.grant(account, 7, 9) for account in accounts for _ in range(3)]
    random.Random(17).shuffle(attempts)
    with clock.held(START + DAY):
        outcome = await together(attempts)
        await purse.expire()
    assert outcome["RefundTooLarge"] == 15
    for account in accounts:
        assert await purse.left(account) == [lot.remaining.minor for lot in await everything_of(purse, account)]
        assert sum(await purse.left(account)) == (await purse.balance(account))[0]


async def everything_of(purse: Purse, account: ledger.AccountRef) -> list[ledger.Lot]:
    """The lots of an account as its movements make them."""
    async with purse.house.database.reading() as session:
        lots = list(reversed(await ledger.lots_of(session, account)))
        for lot in lots:
            moved = sum(movement.amount.minor for movement in await ledger.lot_movements(session, lot.id))
            assert lot.granted.minor + moved == lot.remaining.minor
    return lots


async def test_sales_between_members_lock_both_first_and_never_deadlock(purse: Purse) -> None:
    members = [member() for _ in range(4)]
    for account in members:
        await purse.grant(account, 100)
    chance, sales = random.Random(23), ledger.house_account("lots:sales", "PTS")

    async def sell() -> None:
        buyer, seller = chance.sample(members, 2)
        async with purse.transaction() as session:
            await ledger.lock_lots(session, [buyer, seller])
            terms: dict[str, Any] = {"key": key(), "kind": "club.points", "against": sales}
            await ledger.spend(session, buyer, points(3), **terms)
            await ledger.grant(session, seller, points(2), source="earned", **{**terms, "key": key()})

    assert await together([sell() for _ in range(60)]) == {"done": 60}
    assert sum([sum(await purse.left(account)) for account in members]) == 400 - 60


async def test_the_same_spend_asked_for_often_at_once_takes_points_once(purse: Purse) -> None:
    account, named = member(), key()
    await purse.grant(account, 100)
    results = await asyncio.gather(*(purse.spend(account, 10, key=named) for _ in range(30)))
    assert [result.replayed for result in results].count(False) == 1
    assert await purse.left(account) == [90]


async def test_first_grants_of_a_new_account_at_once_all_arrive(purse: Purse) -> None:
    account = member()
    assert await together([purse.grant(account, 1) for _ in range(30)]) == {"done": 30}
    assert await purse.left(account) == [1] * 30


@pytest.mark.parametrize("operation", ["grant", "spend", "refund", "reserve", "charge", "expire"])
async def test_killed_between_the_posting_and_the_lots_nothing_has_happened(
    purse: Purse, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    account = member()
    await purse.grant(account, 20, days=1)
    await purse.grant(account, 20)
    spent, held, named = await purse.spend(account, 5), await purse.reserve(account, 5), key()

    async def work() -> object:
        with clock.held(START + DAY):
            match operation:
                case "grant":
                    return await purse.grant(account, 3, key=named)
                case "spend":
                    return await purse.spend(account, 3, key=named)
                case "refund":
                    return await purse.refund(spent, 3, named)
                case "reserve":
                    return await purse.reserve(account, 3, key=named)
                case "charge":
                    return await purse.charge(held, 3, named)
                case _:
                    return await purse.expire()

    async def killed(*_args: object, **_more: object) -> None:
        raise Killed

    before = await purse.everything()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        for step in ("open_lot", "move", "pin"):
            patch.setattr(store, step, killed)
        await work()
    assert await purse.everything() == before
    await work()
    after = await purse.everything()
    assert after != before
    await work()
    assert await purse.everything() == after
