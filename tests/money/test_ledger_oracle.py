"""The ledger against a small model of it in memory: any series of operations, the same answers and balances."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from hypothesis import HealthCheck
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from tests.parts.ledger.books import BANK, Books, key, move, open_books, person
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger

T = TypeVar("T")
WALLETS = 3
DAY = timedelta(days=1)
SPRING = datetime(2026, 3, 1, tzinfo=UTC)
places = st.integers(0, WALLETS)  # the last one is the bank, which has no floor
amounts = st.integers(1, 40)
days = st.none() | st.integers(0, 3)  # few, so that many share one


@dataclass
class Oracle:
    """What the ledger promises, in a dictionary. Balances are natural for wallets; the bank's is never asked."""

    balance: dict[ledger.AccountRef, int] = field(default_factory=dict)
    held: dict[ledger.AccountRef, int] = field(default_factory=dict)
    hold_state: dict[int, str] = field(default_factory=dict)
    written: dict[int, ledger.Transaction] = field(default_factory=dict)
    reversed: set[int] = field(default_factory=set)

    def available(self, account: ledger.AccountRef) -> int:
        return self.balance.get(account, 0) - self.held.get(account, 0)

    def refuses(self, source: ledger.AccountRef, amount: int) -> str | None:
        if source != BANK and amount > self.available(source):
            return "InsufficientFunds"
        return None

    def at(self, account: ledger.AccountRef, effective: datetime | None, recorded: datetime | None) -> int:
        """What a wallet held at a point of both times: a sum over all that was written."""
        return -sum(
            amount.minor
            for one in self.written.values()
            if (effective is None or one.effective_at <= effective)
            and (recorded is None or one.recorded_at <= recorded)
            for leg, amount in one.legs
            if leg == account
        )

    def moved(self, source: ledger.AccountRef, target: ledger.AccountRef, amount: int) -> None:
        self.balance[source] = self.balance.get(source, 0) - amount
        self.balance[target] = self.balance.get(target, 0) + amount


@dataclass(frozen=True)
class Moved:
    """A posting that went through, and what it was."""

    posting: ledger.Posting
    id: int
    source: ledger.AccountRef
    target: ledger.AccountRef
    amount: int


@dataclass(frozen=True)
class Held:
    """A hold that was made."""

    id: int
    key: str
    wallet: ledger.AccountRef
    amount: int


class LedgerMachine(RuleBasedStateMachine):
    """Every example has wallets of its own in the same database: the audit at the end sees all of them."""

    moves = Bundle("moves")
    holds = Bundle("holds")

    def __init__(self, books: Books, runner: asyncio.Runner) -> None:
        super().__init__()
        self.books, self.runner = books, runner
        self.wallets = [person() for _ in range(WALLETS)]
        self.accounts = [*self.wallets, BANK]
        self.oracle = Oracle()

    def ask(self, operation: Coroutine[Any, Any, T]) -> T | DomainError:
        """The result of an operation, or its refusal."""
        try:
            result = self.runner.run(operation)
        except DomainError as refusal:
            return refusal
        self._remember(result)
        return result

    def _remember(self, result: object) -> None:
        for one in result if isinstance(result, list) else [result]:
            if isinstance(one, ledger.Transaction):
                self.oracle.written[one.id] = replace(one, replayed=False)

    @rule(target=moves, source=places, to=places, amount=amounts, day=days)
    def post(self, source: int, to: int, amount: int, day: int | None) -> Any:
        if source == to:
            return multiple()
        origin, target = self.accounts[source], self.accounts[to]
        expected = self.oracle.refuses(origin, amount)
        posting = replace(move(origin, target, amount), effective_at=None if day is None else SPRING + day * DAY)
        result = self.ask(self.books.post(posting))
        if expected:
            assert type(result).__name__ == expected
            return multiple()
        assert isinstance(result, ledger.Transaction), result
        self.oracle.moved(origin, target, amount)
        return Moved(posting, result.id, origin, target, amount)

    @rule(target=moves, steps=st.lists(st.tuples(places, places, amounts), max_size=6))
    def post_many(self, steps: list[tuple[int, int, int]]) -> Any:
        steps = [step for step in steps if step[0] != step[1]]
        postings = [move(self.accounts[source], self.accounts[to], amount) for source, to, amount in steps]
        results = self.ask(self._post_many(postings))
        assert not isinstance(results, DomainError)
        written = []
        for (source, to, amount), posting, result in zip(steps, postings, results, strict=True):
            origin, target = self.accounts[source], self.accounts[to]
            expected = self.oracle.refuses(origin, amount)
            if expected:
                assert type(result).__name__ == expected
                continue
            assert isinstance(result, ledger.Transaction)
            self.oracle.moved(origin, target, amount)
            written.append(Moved(posting, result.id, origin, target, amount))
        return multiple(*written)

    async def _post_many(self, postings: list[ledger.Posting]) -> list[ledger.Transaction | DomainError]:
        async with self.books.transaction() as session:
            return list(await ledger.post_many(session, postings))

    @rule(done=moves)
    def replay(self, done: Moved) -> None:
        result = self.ask(self.books.post(done.posting))
        assert isinstance(result, ledger.Transaction)
        assert (result.id, result.replayed) == (done.id, True)

    @rule(done=moves, more=amounts)
    def use_a_key_again_for_something_else(self, done: Moved, more: int) -> None:
        other = move(done.source, done.target, done.amount + more, done.posting.key)
        assert isinstance(self.ask(self.books.post(other)), ledger.IdempotencyKeyReused)

    @rule(done=moves)
    def reverse(self, done: Moved) -> None:
        result = self.ask(self.books.reverse(done.id))
        expected = "AlreadyReversed" if done.id in self.oracle.reversed else self._reversal_refused(done)
        if expected:
            assert type(result).__name__ == expected
            return
        assert isinstance(result, ledger.Transaction), result
        assert isinstance(self.ask(self.books.reverse(result.id)), ledger.NotReversible)
        self.oracle.reversed.add(done.id)
        self.oracle.moved(done.target, done.source, done.amount)

    def _reversal_refused(self, done: Moved) -> str | None:
        return self.oracle.refuses(done.target, done.amount)

    @rule(target=holds, wallet=st.integers(0, WALLETS - 1), amount=amounts)
    def hold(self, wallet: int, amount: int) -> Any:
        account, named = self.wallets[wallet], key()
        result = self.ask(self.books.hold(account, amount, named))
        if amount > self.oracle.available(account):
            assert isinstance(result, ledger.InsufficientFunds)
            assert result.available.minor == self.oracle.available(account)
            return multiple()
        assert isinstance(result, ledger.Hold)
        self.oracle.held[account] = self.oracle.held.get(account, 0) + amount
        self.oracle.hold_state[result.id] = "open"
        return Held(result.id, named, account, amount)

    @rule(held=holds)
    def hold_again(self, held: Held) -> None:
        result = self.ask(self.books.hold(held.wallet, held.amount, held.key))
        assert isinstance(result, ledger.Hold)
        assert (result.id, result.state) == (held.id, self.oracle.hold_state[held.id])

    @rule(target=moves, held=holds, amount=amounts)
    def capture(self, held: Held, amount: int) -> Any:
        posting = move(held.wallet, BANK, amount)
        result = self.ask(self.books.capture(held.id, posting))
        if self.oracle.hold_state[held.id] != "open":
            assert isinstance(result, ledger.HoldEnded)
        elif amount > held.amount:
            assert isinstance(result, ledger.CaptureNotCovered)
        else:
            assert isinstance(result, ledger.Transaction)
            assert isinstance(replay := self.ask(self.books.capture(held.id, posting)), ledger.Transaction)
            assert replay == replace(result, replayed=True)
            self._ended(held, "captured")
            self.oracle.moved(held.wallet, BANK, amount)
        return multiple()

    @rule(held=holds)
    def void(self, held: Held) -> None:
        result = self.ask(self.books.void(held.id))
        if self.oracle.hold_state[held.id] == "captured":
            assert isinstance(result, ledger.HoldEnded)
            return
        assert isinstance(result, ledger.Hold)
        if self.oracle.hold_state[held.id] == "open":
            self._ended(held, "voided")

    def _ended(self, held: Held, state: str) -> None:
        self.oracle.hold_state[held.id] = state
        self.oracle.held[held.wallet] -= held.amount

    @rule(wallet=st.integers(0, WALLETS - 1), effective=days, before=st.booleans(), data=st.data())
    def read_the_past(self, wallet: int, effective: int | None, before: bool, data: st.DataObject) -> None:
        """At the very instants that were written, and just before them; as known at any of them, or now."""
        account, known = self.wallets[wallet], sorted(one.recorded_at for one in self.oracle.written.values())
        recorded = data.draw(st.sampled_from([None, *known]))
        shift = -timedelta(microseconds=1) if before else timedelta(0)
        at = None if effective is None else SPRING + effective * DAY + shift
        if effective is None and before and known:
            at = data.draw(st.sampled_from(known))
        self.runner.run(self._compare(account, at, recorded))

    async def _compare(self, account: ledger.AccountRef, at: datetime | None, recorded: datetime | None) -> None:
        async with self.books.house.database.reading() as session:
            found = await ledger.balance_at(session, account, effective=at, recorded=recorded)
            whole = await ledger.all_balances_at(session, effective=at, recorded=recorded)
        assert found.posted.minor == self.oracle.at(account, at, recorded)
        assert found.stable or recorded is None
        assert {one.account: one.posted for one in whole}.get(account, found.posted) == found.posted
        assert (
            sum(one.posted.minor * (1 if one.account == BANK else -1) for one in whole) == 0
        )  # wallets are liabilities

    @rule(wallet=st.integers(0, WALLETS - 1), amount=amounts, times=st.integers(2, 6))
    def withdraw_at_once(self, wallet: int, amount: int, times: int) -> None:
        account = self.wallets[wallet]
        possible = min(times, self.oracle.available(account) // amount)
        results = self.runner.run(self._all_at_once([move(account, BANK, amount) for _ in range(times)]))
        self._remember(results)
        assert sum(isinstance(result, ledger.Transaction) for result in results) == possible
        assert sum(isinstance(result, ledger.InsufficientFunds) for result in results) == times - possible
        self.oracle.moved(account, BANK, amount * possible)

    async def _all_at_once(self, postings: list[ledger.Posting]) -> list[ledger.Transaction | BaseException]:
        return await asyncio.gather(*(self.books.post(posting) for posting in postings), return_exceptions=True)

    @invariant()
    def balances_agree(self) -> None:
        for wallet in self.wallets:
            posted, held, available = self.runner.run(self.books.balance(wallet))
            assert (posted, held) == (self.oracle.balance.get(wallet, 0), self.oracle.held.get(wallet, 0))
            assert available == posted - held >= 0


def test_any_series_of_operations_agrees_with_the_oracle(settings: KernelSettings) -> None:
    with asyncio.Runner() as runner:
        context = open_books(settings)
        books = runner.run(context.__aenter__())
        run_state_machine_as_test(lambda: LedgerMachine(books, runner), settings=_EFFORT)  # type: ignore[no-untyped-call]
        assert runner.run(books.violations()) == []
        runner.run(context.__aexit__(None, None, None))


_EFFORT = effort(max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
