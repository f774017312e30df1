"""The ledger against an oracle that keeps books of its own: any series of operations, alone or several at once.

What was answered has to be what the oracle allows; of operations that run at once, what some order of them gives. In
the end hledger, and pgledger when `--pgledger DIR` names a checkout, read the same history and agree on every balance.
"""

import asyncio
import itertools
import os
import shutil
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.money.ledger_oracle import (
    Account,
    Bulk,
    Capture,
    CloseAccount,
    ClosePeriod,
    Exchange,
    Expire,
    Instant,
    Legs,
    Opening,
    Operation,
    Oracle,
    Post,
    Reverse,
    SetAside,
    Void,
    fits,
    serial_orders,
)
from tests.parts.ledger.books import BANK, BANK_USD, CLEARING, FEES, Books, key, open_books, wallet_of
from tests.parts.ledger.test_export import balances_by_hledger, hledger
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel import clock
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.domain.exporting import hledger_account
from tillhouse.parts.ledger.flows.grouping import GroupedPosts
from tillhouse.parts.ledger.service import holding
from tillhouse.parts.ledger.service.charts import HouseChart
from tillhouse.parts.ledger.service.exporting import export
from tillhouse.parts.ledger.service.openings import import_openings

T = TypeVar("T")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LONG_AGO = datetime(2010, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)  # what holds are due after
WINDOW = 5  # days that are an example's own: closed periods are never opened again
HOUSE = (BANK, CLEARING, FEES)
RATE = ledger.Rate.parse("83.125", "USD", "INR")

ANY = Module(
    name="anything",
    title="Anything",
    floor="product",
    folder=Path(__file__).parent,
    requires=("ledger",),
    provides=lambda house: (ledger.TransactionKind(name="any.thing", title="Anything", legs=("*",)),),
)

days = st.none() | st.integers(0, WINDOW - 1)  # few, so that many share one
KINDS = (
    "post", "post", "post", "legs", "legs", "grouped", "grouped", "exchange", "bulk", "bulk", "opening", "again",
    "other", "reverse", "reverse", "hold", "hold", "hold", "capture", "capture", "void", "expire", "close account",
    "close period",
)  # fmt: skip


choices = st.integers(0, 999)  # which of those there are, counted round: how many there are depends on the race


@dataclass(frozen=True)
class Wish:
    """What is drawn for an operation, whatever there is to do it to."""

    kind: str
    wallets: list[int]
    accounts: list[int]
    pair: list[int]
    amounts: list[int]
    signs: list[bool]
    dollars: int
    day: int | None
    hour: int | None
    choice: int
    count: int
    yes: bool


wishes = st.builds(
    Wish,
    kind=st.sampled_from(KINDS),
    wallets=st.permutations(range(3)),
    accounts=st.permutations(range(6)),
    pair=st.permutations(range(4)),
    amounts=st.lists(st.integers(1, 40), min_size=4, max_size=4),
    signs=st.lists(st.booleans(), min_size=4, max_size=4),
    dollars=st.integers(-40, 40),
    day=days,
    hour=st.none() | st.integers(0, 3),
    choice=choices,
    count=st.integers(1, 4),
    yes=st.booleans(),
)


def _chosen(there: Sequence[T], choice: int) -> T:
    return there[choice % len(there)]


@dataclass
class Journal:
    """What all examples have written, by their oracles."""

    examples: int = 0
    written: list[Legs] = field(default_factory=list)

    def balances(self) -> dict[Account, int]:
        found: dict[Account, int] = {}
        for account, amount in itertools.chain.from_iterable(self.written):
            found[account] = found.get(account, 0) + amount
        return found


class Clerk:
    """Does operations at the ledger, and says what was answered in the oracle's words."""

    def __init__(self, books: Books, begin: datetime) -> None:
        self._books, self._begin = books, begin
        self.transactions: dict[str, ledger.Transaction] = {}
        self._holds: dict[str, int] = {}
        self._clock = asyncio.Lock()

    async def do(self, operation: Operation) -> list[str]:
        try:
            return await self._do(operation)
        except ledger.BulkRefused as refused:
            assert isinstance(operation, Bulk)
            names = {place: type(error).__name__ for place, error in refused.refusals.items()}
            return [names.get(place, "withheld") for place in range(len(operation.posts))]
        except DomainError as refusal:
            return [type(refusal).__name__]

    async def _expire(self, at: datetime) -> None:
        with clock.held(at):
            async with self._books.transaction() as session:
                while await holding.expire(session):
                    pass

    async def _do(self, operation: Operation) -> list[str]:  # noqa: C901, PLR0911  # each in its turn
        match operation:
            case Post(grouped=True):
                return [
                    self._seen(operation.key, await self._books.house.the(GroupedPosts).post(self.posting(operation)))
                ]
            case Bulk():
                return await self._bulk(operation)
            case Opening():
                return [await self._open(operation)]
            case Expire(hour):
                async with self._clock:  # clocks that are held end in the reverse of the order in which they began
                    await self._expire(NOON + hour * HOUR)
                return ["done"]
            case ClosePeriod(day):
                await self._books.close_period(self.instant(day))
                return ["done"]
        async with self._books.transaction() as session:
            match operation:
                case Post():
                    return [self._seen(operation.key, await ledger.post(session, self.posting(operation)))]
                case Exchange(named, source, target, cents):
                    written = await ledger.exchange(
                        session, source, Money(cents, "USD"), target, key=named, kind="any.thing", rate=RATE
                    )
                    return [self._seen(named, written)]
                case Reverse(named, of):
                    return [self._seen(named, await ledger.reverse(session, self.transactions[of].id, key=named))]
                case SetAside(named, account, amount, due):
                    held = await ledger.hold(
                        session, key=named, account=account, amount=Money(amount, account.unit),
                        expires_at=None if due is None else NOON + due * HOUR,
                    )  # fmt: skip
                    self._holds[named] = held.id
                    return [f"hold {held.state}"]
                case Capture(named, hold, legs):
                    posting = self.posting(Post(named, legs))
                    return [self._seen(named, await ledger.capture(session, self._holds[hold], posting))]
                case Void(hold):
                    return [f"hold {(await ledger.void(session, self._holds[hold])).state}"]
                case CloseAccount(account):
                    await ledger.close_account(session, account)
                    return ["done"]
        raise AssertionError(operation)

    async def _bulk(self, bulk: Bulk) -> list[str]:
        async with self._books.transaction() as session:
            results = await ledger.post_many(session, [self.posting(one) for one in bulk.posts], atomic=bulk.atomic)
        return [
            self._seen(one.key, result) if isinstance(result, ledger.Transaction) else type(result).__name__
            for one, result in zip(bulk.posts, results, strict=True)
        ]

    async def _open(self, opening: Opening) -> str:
        rows = ["owner_kind,owner_id,code,unit,amount,date\n"] + [
            f"{account.owner_kind},{account.owner_id},{account.code},{account.unit},"
            f"{Money(amount, account.unit)},{self.instant(opening.day):%Y-%m-%d}\n"
            for account, amount in opening.lines
        ]
        with suppress(_RolledBackError):
            async with self._books.transaction() as session:
                imported = await import_openings(session, opening.file, rows)
                if imported.faults:
                    raise _RolledBackError
            async with self._books.house.database.reading() as session:
                found = await ledger.transactions(
                    session, wanted=ledger.TransactionFilter(metadata={"file": opening.file}), limit=50
                )
            by_line = {(str(one.metadata["file"]), one.metadata["line"]): one for one in found}
            for line, post in enumerate(opening.posts, start=2):
                self.transactions[post.key] = by_line[opening.file, line]
            return "done"
        return "faults"

    async def hold_states(self) -> dict[str, str]:
        async with self._books.house.database.reading() as session:
            return {named: (await ledger.get_hold(session, number)).state for named, number in self._holds.items()}

    def posting(self, post: Post) -> ledger.Posting:
        legs = [(account, Money(amount, account.unit)) for account, amount in post.legs]
        effective = None if post.day is None else self.instant(post.day)
        return ledger.Posting(key=post.key, kind="any.thing", legs=legs, effective_at=effective)

    def instant(self, day: int) -> datetime:
        return self._begin + day * DAY

    def _seen(self, named: str, written: ledger.Transaction) -> str:
        if not written.replayed:
            self.transactions[named] = written
        return "replayed" if written.replayed else "written"


class _RolledBackError(Exception):
    """Nothing of a file with faults may stay."""


class LedgerMachine(RuleBasedStateMachine):
    """Every example has accounts of persons and days of its own; the house's accounts are everybody's."""

    def __init__(self, books: Books, runner: asyncio.Runner, journal: Journal) -> None:
        super().__init__()
        self.books, self.runner, self.journal = books, runner, journal
        begin = LONG_AGO + journal.examples * WINDOW * DAY
        journal.examples += 1
        self.clerk, self.oracle = Clerk(books, begin), Oracle()
        owner = new_id()
        self.dollars = ledger.AccountRef("person", owner, "wallet", "USD")
        self.rupees = [wallet_of(owner), *(wallet_of(new_id()) for _ in range(2))]
        self.wallets = [*self.rupees, self.dollars]
        for wallet in self.wallets:  # all are open from the beginning
            self._agree(Post(key(), ((self._bank(wallet), 30), (wallet, -30))))

    def teardown(self) -> None:
        self.journal.written += [one.legs for one in self.oracle.written.values()]

    @rule(wish=wishes)
    def one(self, wish: Wish) -> None:
        self._agree(self._operation(wish))

    @rule(several=st.lists(wishes, min_size=2, max_size=3), twice=st.booleans())
    def several_at_once(self, several: list[Wish], twice: bool) -> None:
        operations = [self._operation(wish) for wish in several]
        if twice:
            operations[-1] = operations[0]
        answers = self.runner.run(self._at_once(operations))
        orders = list(serial_orders(self.oracle, list(zip(operations, answers, strict=True))))
        assert orders, (operations, answers)
        states, found = self.run(self.clerk.hold_states()), self.run(self._balances())
        as_it_is = [
            books
            for books in orders
            if self._is_recorded_in_order(books)
            and {name: one.state for name, one in books.holds.items()} == states
            and all(found[wallet].posted.minor == books.posted(wallet) for wallet in self.wallets)
        ]
        assert as_it_is, (operations, answers, states)
        self.oracle = as_it_is[0]

    async def _at_once(self, operations: Sequence[Operation]) -> list[list[str]]:
        return list(await asyncio.gather(*(self.clerk.do(one) for one in operations)))

    def _is_recorded_in_order(self, books: Oracle) -> bool:
        times = [self.clerk.transactions[one].recorded_at for one in books.written]
        return times == sorted(set(times))

    def _agree(self, operation: Operation) -> None:
        got = self.run(self.clerk.do(operation))
        allowed = self.oracle.do(operation)
        assert fits(allowed, got), (operation, allowed, got)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def _operation(self, wish: Wish) -> Operation:  # noqa: C901, PLR0911, PLR0912  # a case for each kind
        wallet, other = (self.rupees[place] for place in wish.wallets[:2])
        amount = wish.amounts[0]
        asked = [one.asked for one in self.oracle.written.values()]
        posts = [one for one in asked if isinstance(one, Post) and not one.key.startswith("ledger.opening:")]
        posts += [post for post, _ in self.oracle.refused.values()]
        match wish.kind:
            case "post" | "grouped":
                return self._move(wish, 0, grouped=wish.kind == "grouped")
            case "legs":
                return Post(key(), self._legs(wish), wish.day, wish.yes)
            case "exchange":
                return Exchange(key(), self.dollars, wallet, amount)
            case "bulk":
                return Bulk(tuple(self._move(wish, n) for n in range(wish.count)), wish.yes)
            case "opening":
                return Opening(key(), ((wallet, amount), (other, wish.amounts[1])), wish.day or 0)
            case "again":
                return _chosen(posts, wish.choice)
            case "other":
                return Post(_chosen(posts, wish.choice).key, ((wallet, amount), (other, -amount)), 0)
            case "reverse":
                return Reverse(key(), _chosen(list(self.oracle.written), wish.choice))
            case "expire":
                return Expire(wish.hour or 0)
            case "close account":
                return CloseAccount(wallet)
            case "close period":
                return ClosePeriod(wish.day or 0)
        holds = list(self.oracle.holds)
        if wish.kind == "hold" or not holds:
            return SetAside(key(), wallet, amount, wish.hour)
        hold = _chosen(holds, wish.choice)
        if wish.kind == "void":
            return Void(hold)
        taken, fee = self.oracle.holds[hold].asked.account, wish.amounts[1] % amount
        legs = ((taken, amount), (CLEARING, fee - amount), (FEES, -fee))
        return Capture(key(), hold, tuple(leg for leg in legs if leg[1]))

    def _move(self, wish: Wish, nth: int, *, grouped: bool = False) -> Post:
        """The `nth` of a bulk is between others."""
        accounts = [*self.rupees, BANK]
        source, target = (accounts[(place + nth) % 4] for place in wish.pair[:2])
        amount = wish.amounts[nth]
        return Post(key(), ((source, amount), (target, -amount)), wish.day, grouped)

    def _legs(self, wish: Wish) -> Legs:
        """From three to five accounts in rupees, and perhaps two in dollars beside them."""
        accounts = [[*self.rupees, *HOUSE][place] for place in wish.accounts[: 2 + wish.count]][:5]
        accounts = accounts if len(accounts) > 2 else [*self.rupees]
        signed = zip(wish.amounts, wish.signs, strict=True)
        amounts = [amount if positive else -amount for amount, positive in signed][: len(accounts) - 1]
        if sum(amounts) == 0:
            amounts[0] *= 2
        legs = list(zip(accounts, [*amounts, -sum(amounts)], strict=True))
        if wish.dollars:
            legs += [(self.dollars, wish.dollars), (BANK_USD, -wish.dollars)]
        return tuple(legs)

    def _bank(self, wallet: Account) -> Account:
        return BANK if wallet.unit == "INR" else BANK_USD

    @rule(
        wallet=st.integers(0, 3), day=days, moment=st.none() | choices, known=st.none() | choices, before=st.booleans()
    )
    def read_the_past(self, wallet: int, day: int | None, moment: int | None, known: int | None, before: bool) -> None:
        """At the very instants that were written, and just before them; as known at any of them, or now."""
        account, keys = self.wallets[wallet], list(self.oracle.written)
        effective: Instant | None = None if day is None else (0, day)
        if moment is not None:
            effective = (1, moment % len(keys))
        place = None if known is None else known % len(keys)
        recorded = None if place is None else self.clerk.transactions[keys[place]].recorded_at
        at = None if effective is None else self._instant(effective, keys)
        if at is not None and before:
            at -= timedelta(microseconds=1)
        expected = self.oracle.at(account, effective, place, before=before)
        self.run(self._compare(account, at, recorded, expected))

    def _instant(self, effective: Instant, keys: Sequence[str]) -> datetime:
        now, place = effective
        return self.clerk.transactions[keys[place]].recorded_at if now else self.clerk.instant(place)

    async def _compare(self, wallet: Account, at: datetime | None, recorded: datetime | None, expected: int) -> None:
        async with self.books.house.database.reading() as session:
            found = await ledger.balance_at(session, wallet, effective=at, recorded=recorded)
            whole = await ledger.all_balances_at(session, effective=at, recorded=recorded)
        assert found.posted.minor == expected
        assert found.stable or recorded is None
        assert {one.account: one.posted for one in whole}.get(wallet, found.posted) == found.posted
        chart = self.books.house.the(HouseChart).chart
        for unit in ("INR", "USD"):
            debits = [
                chart.account_kind(one.account).sign * one.posted.minor for one in whole if one.account.unit == unit
            ]
            assert sum(debits) == 0

    @invariant()
    def balances_agree(self) -> None:
        found = self.run(self._balances())
        for wallet in self.wallets:
            one = found[wallet]
            assert (one.posted.minor, one.held.minor) == (self.oracle.posted(wallet), self.oracle.held(wallet))
            assert one.available.minor == self.oracle.available(wallet) >= 0

    async def _balances(self) -> Any:
        async with self.books.house.database.reading() as session:
            return await ledger.balances(session, self.wallets)


@pytest.mark.timeout(300)
def test_any_series_of_operations_agrees_with_the_oracle_and_with_other_ledgers(
    settings: KernelSettings, server: EmbeddedPostgres, request: pytest.FixtureRequest
) -> None:
    journal = Journal()
    with asyncio.Runner() as runner:
        context = open_books(settings, more=(ANY,))
        books = runner.run(context.__aenter__())
        run_state_machine_as_test(lambda: LedgerMachine(books, runner, journal), settings=_EFFORT)  # type: ignore[no-untyped-call]
        assert len(journal.written) > 200
        if shutil.which("hledger") or "CI" in os.environ:
            runner.run(hledger_agrees(books, journal))
        if (folder := request.config.getoption("--pgledger")) is not None:
            assert runner.run(replay_into_pgledger(server, Path(folder), journal)) == journal.balances()
        runner.run(context.__aexit__(None, None, None))


async def hledger_agrees(books: Books, journal: Journal) -> None:
    """hledger reads what we export; what it makes of that is what the oracles say."""
    async with books.house.database.reading() as session:
        exported = "".join([piece async for piece in export(session, "hledger")])
    await hledger(exported, "check", "--strict")
    chart = books.house.the(HouseChart).chart
    expected = {
        (hledger_account(account, chart.account_kind(account).type), account.unit): Money(amount, account.unit).decimal
        for account, amount in journal.balances().items()
        if amount
    }
    found: dict[tuple[str, str], Decimal] = await balances_by_hledger(exported)
    assert found == expected


async def replay_into_pgledger(server: EmbeddedPostgres, folder: Path, journal: Journal) -> dict[Account, int]:
    """Every balance after the same moves in pgledger, in a database of its own. Its transfers have two legs."""
    admin = await asyncpg.connect(server.superuser_dsn, database="postgres")
    await admin.execute("CREATE DATABASE pgledger_oracle")
    connection = await asyncpg.connect(server.superuser_dsn, database="pgledger_oracle")
    try:
        for name in ("vendor/scoville-pgsql-ulid/uuid-to-ulid.sql", "pgledger.sql"):
            await connection.execute((folder / name).read_text())
        ids = {
            account: await connection.fetchval(
                "SELECT id FROM pgledger_create_account($1, $2)", str(account), account.unit
            )
            for account in journal.balances()
        }
        async with connection.transaction():
            for source, target, amount in itertools.chain.from_iterable(map(transfers, journal.written)):
                await connection.execute(
                    "SELECT pgledger_create_transfer($1, $2, $3)", ids[source], ids[target], Decimal(amount)
                )
        rows = dict(await connection.fetch("SELECT id, balance FROM pgledger_accounts_view"))
        return {account: int(rows[number]) for account, number in ids.items()}
    finally:
        await connection.close()
        await admin.execute("DROP DATABASE pgledger_oracle")
        await admin.close()


def transfers(legs: Legs) -> list[tuple[Account, Account, int]]:
    """Legs as moves from one credited account to one debited one, unit by unit."""
    found = []
    for unit in {account.unit for account, _ in legs}:
        left = {account: amount for account, amount in legs if account.unit == unit}
        while any(left.values()):
            source, target = min(left, key=lambda one: left[one]), max(left, key=lambda one: left[one])
            amount = min(-left[source], left[target])
            left[source] += amount
            left[target] -= amount
            found.append((source, target, amount))
    return found


_EFFORT = effort(max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
