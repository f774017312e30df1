"""Bulks: all or none where asked, and the same rows whichever way the accounts are found and the postings are sent."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlalchemy import text

from tests.parts.ledger.books import BANK, Books, key, move, open_books, person
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.service.charts import HouseChart
from tillhouse.parts.ledger.store.writing import KnownAccounts

Step = tuple[int, int, int]


@pytest.fixture
async def books(settings: KernelSettings) -> AsyncIterator[Books]:
    async with open_books(settings, pool=20) as opened:
        yield opened


async def test_an_atomic_bulk_writes_all(books: Books) -> None:
    wallet = person()
    async with books.transaction() as session:
        results = await ledger.post_many(session, [move(BANK, wallet, n) for n in (1, 2, 3)], atomic=True)
    assert all(isinstance(result, ledger.Transaction) for result in results)
    assert await books.balance(wallet) == (6, 0, 6)


@pytest.mark.parametrize("known", [False, True])
async def test_one_refusal_in_an_atomic_bulk_leaves_nothing_and_the_session_usable(books: Books, known: bool) -> None:
    wallet, keys = person(), [key() for _ in range(4)]
    if known:
        await books.fund(wallet, 5)
        await books.post(move(wallet, BANK, 5))
    before = await books.everything()
    wishes = [move(BANK, wallet, 3, keys[0]), move(wallet, BANK, 9, keys[1]), move(BANK, wallet, 3, keys[2])]
    async with books.transaction() as session:
        with pytest.raises(ledger.BulkRefused) as refused:
            await ledger.post_many(session, wishes, atomic=True)
    assert {place: type(one) for place, one in refused.value.refusals.items()} == {1: ledger.InsufficientFunds}
    assert await books.everything() == before
    async with books.transaction() as session:
        with pytest.raises(ledger.BulkRefused):
            await ledger.post_many(session, wishes, atomic=True)
        await ledger.post(session, move(BANK, wallet, 7, keys[3]))
        await ledger.post(session, wishes[0])
    assert await books.balance(wallet) == (10, 0, 10)


async def test_a_posting_that_no_rule_allows_keeps_an_atomic_bulk_from_the_database(books: Books) -> None:
    before = await books.everything()
    strange = replace(move(BANK, person(), 1), kind="no.such")
    async with books.transaction() as session:
        with pytest.raises(ledger.BulkRefused) as refused:
            await ledger.post_many(session, [move(BANK, person(), 1), strange], atomic=True)
    assert list(refused.value.refusals) == [1]
    assert await books.everything() == before


async def test_an_atomic_bulk_sent_again_is_replayed_whole(books: Books) -> None:
    wallet, wishes = person(), [move(BANK, person(), 1) for _ in range(3)]
    for replayed in (False, True):
        async with books.transaction() as session:
            results = await ledger.post_many(session, wishes, atomic=True)
        assert [isinstance(r, ledger.Transaction) and r.replayed for r in results] == [replayed] * 3
    assert await books.balance(wallet) == (0, 0, 0)


async def test_a_key_used_elsewhere_at_the_same_moment_is_refused_without_ending_the_transaction(books: Books) -> None:
    taken, first, second = key(), person(), person()
    written, other_waits = asyncio.Event(), asyncio.Event()

    async def post_first() -> None:
        async with books.transaction() as session:
            await ledger.post(session, move(ledger.house_account("clearing:a", "INR"), first, 5, taken))
            written.set()
            await other_waits.wait()

    async def bulk_second() -> Sequence[ledger.Transaction | DomainError]:
        await written.wait()
        source = ledger.house_account("clearing:b", "INR")
        async with books.transaction() as session:
            wishes = [move(source, second, 1), move(source, second, 5, taken), move(source, second, 2)]
            results = await ledger.post_many(session, wishes)
            await ledger.post(session, move(source, second, 10))
        return results

    async def until_it_waits() -> None:
        async with books.house.database.reading() as session:
            query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            while not await session.scalar(query):
                pass
        other_waits.set()

    _, results, _ = await asyncio.gather(post_first(), bulk_second(), until_it_waits())
    assert [type(result) for result in results] == [
        ledger.Transaction,
        ledger.IdempotencyKeyReused,
        ledger.Transaction,
    ]
    assert ((await books.balance(first))[0], (await books.balance(second))[0]) == (5, 13)


async def test_ids_that_belong_to_other_accounts_do_no_harm(books: Books) -> None:
    here, there = person(), person()
    await books.fund(here, 10)
    await books.fund(there, 10)
    known = books.house.the(HouseChart).known
    a, b = known.account(here).id, known.account(there).id
    assert a is not None
    assert b not in (None, a)
    known.learn({here: b, there: a, BANK: 999_999})
    await books.fund(here, 5)
    assert (await books.balance(here), await books.balance(there)) == ((15, 0, 15), (10, 0, 10))
    assert known.account(here).id == a


async def test_what_rolls_back_teaches_nothing(books: Books) -> None:
    wallet = person()
    with pytest.raises(KeyError):
        async with books.transaction() as session:
            await ledger.post(session, move(BANK, wallet, 5))
            raise KeyError
    assert books.house.the(HouseChart).known.account(wallet).id is None


async def test_a_process_that_forgets_its_accounts_between_calls_posts_on(books: Books) -> None:
    wallets = [person() for _ in range(3)]
    chart = books.house.the(HouseChart)
    chart.known = KnownAccounts(chart.chart, most=2)
    for _ in range(3):
        async with books.transaction() as session:
            await ledger.post_many(session, [move(BANK, wallet, 5) for wallet in (*wallets, *wallets)])
    assert [(await books.balance(wallet))[0] for wallet in wallets] == [30, 30, 30]
    for wallet in wallets:
        await books.fund(wallet, 5)
    first, _, last = [chart.known.account(wallet).id for wallet in wallets]
    assert first is None
    assert last is not None


class Forgetful(KnownAccounts):
    """Learns no id, so that every account is looked up by name."""

    def learn(self, ids: Mapping[ledger.AccountRef, int]) -> None:
        pass


async def rows_after(books: Books, batches: list[list[Step]], way: str) -> list[Any]:
    """Post the batches among fresh accounts; returns outcomes and entries without what differs by nature."""
    accounts = [*(person() for _ in range(3)), ledger.house_account(f"clearing:{key()}", "INR")]
    outcomes: list[Any] = []
    for batch in batches:
        postings = [move(accounts[source], accounts[to], amount) for source, to, amount in batch]
        async with books.transaction() as session:
            if way == "one by one":
                results: list[Any] = []
                for posting in postings:
                    try:
                        results.append(await ledger.post(session, posting))
                    except DomainError as refusal:
                        results.append(refusal)
            else:
                results = list(await ledger.post_many(session, postings))
        outcomes += [(type(r).__name__, str(r) if isinstance(r, DomainError) else "") for r in results]
    async with books.house.database.reading() as session:
        for account in accounts:
            lines = await ledger.statement(session, account, limit=1000)
            outcomes += [(line.sequence, line.amount, line.balance, line.kind) for line in lines]
    return outcomes


places = st.integers(0, 3)
steps = st.tuples(places, places, st.integers(1, 50)).filter(lambda step: step[0] != step[1])


def test_the_same_batches_make_the_same_rows_by_id_by_name_and_one_by_one(settings: KernelSettings) -> None:
    with asyncio.Runner() as runner:
        context = open_books(settings)
        books = runner.run(context.__aenter__())
        chart = books.house.the(HouseChart)
        knowing = chart.known

        @effort(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(st.lists(steps, min_size=1, max_size=12), min_size=1, max_size=4))
        def agree(batches: list[list[Step]]) -> None:
            by_id = runner.run(rows_after(books, batches, "bulk"))
            chart.known = Forgetful(chart.chart)
            by_name = runner.run(rows_after(books, batches, "bulk"))
            chart.known = knowing
            assert by_id == by_name == runner.run(rows_after(books, batches, "one by one"))

        agree()
        runner.run(context.__aexit__(None, None, None))
