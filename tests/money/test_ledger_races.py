"""Real commits, real concurrency: whatever the interleaving, the same end."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextvars import Context
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from tests.parts.ledger.books import BANK, CLEARING, Books, key, move, open_books, person, rupees
from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.service import holding

START = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
async def books(settings: KernelSettings) -> AsyncIterator[Books]:
    async with open_books(settings, pool=20) as opened:
        yield opened


async def together(attempts: Sequence[Awaitable[object]]) -> Counter[str]:
    """Run all at once. Refusals are counted by name; anything that is no refusal fails the test."""
    results = await asyncio.gather(*attempts, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, DomainError):
            raise result
    return Counter(type(result).__name__ if isinstance(result, DomainError) else "done" for result in results)


async def blocked_backends(session: ReadSession) -> int:
    """How many sessions of this database wait for another's lock."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity "
    query += "WHERE datname = current_database())"
    return int((await session.execute(text(query))).scalar_one())


async def test_of_500_withdrawals_of_100_from_1000_at_once_ten_succeed(books: Books) -> None:
    wallet = person()
    await books.fund(wallet, 1_000)
    outcome = await together([books.post(move(wallet, BANK, 100)) for _ in range(500)])
    assert outcome == {"done": 10, "InsufficientFunds": 490}
    assert await books.balance(wallet) == (0, 0, 0)


async def test_holds_and_withdrawals_together_never_take_more_than_there_is(books: Books) -> None:
    wallet = person()
    await books.fund(wallet, 1_000)
    attempts: list[Awaitable[object]] = []
    for _ in range(60):
        attempts += [books.hold(wallet, 100), books.post(move(wallet, BANK, 100))]
    outcome = await together(attempts)
    assert outcome == {"done": 10, "InsufficientFunds": 110}
    assert (await books.balance(wallet))[2] == 0


async def test_a_wallet_that_never_was_is_not_overdrawn_by_many_at_once(books: Books) -> None:
    wallet = person()
    outcome = await together([books.post(move(wallet, BANK, 1)) for _ in range(40)])
    assert outcome == {"InsufficientFunds": 40}


async def test_an_account_that_is_locked_takes_nothing_until_its_transaction_ends(books: Books) -> None:
    wallet = person()
    async with books.transaction() as session:
        await ledger.lock_accounts(session, [wallet])
        other = asyncio.create_task(books.fund(wallet, 5), context=Context())
        while not await blocked_backends(session):
            pass
        assert not other.done()
    await other
    assert await books.balance(wallet) == (5, 0, 5)


async def test_many_first_postings_open_one_account(books: Books) -> None:
    wallet = person()
    assert await together([books.fund(wallet, 1) for _ in range(40)]) == {"done": 40}
    assert await books.balance(wallet) == (40, 0, 40)


async def test_opposing_storms_finish_without_a_deadlock(books: Books) -> None:
    wallets = [person() for _ in range(4)]
    for wallet in wallets:
        await books.fund(wallet, 10_000)
    chance = random.Random(7)

    async def swap() -> None:
        source, target = chance.sample(wallets, 2)
        await books.post(move(source, target, 1))

    async def circle() -> None:
        order = chance.sample(wallets, 4)
        legs = [ledger.debit(order[0], rupees(3)), *(ledger.credit(wallet, rupees(1)) for wallet in order[1:])]
        await books.post(ledger.Posting(key=key(), kind="shop.move", legs=legs))

    async def batch() -> None:
        async with books.transaction() as session:
            results = await ledger.post_many(
                session, [move(*chance.sample([*wallets, person()], 2), paise=1) for _ in range(10)]
            )
        assert all(isinstance(r, ledger.Transaction | ledger.InsufficientFunds) for r in results)

    outcome = await together([work() for _ in range(60) for work in (swap, circle, batch)])
    assert outcome == {"done": 180}


async def test_new_accounts_opened_in_every_order_at_once_do_not_deadlock(books: Books) -> None:
    chance = random.Random(11)
    for _ in range(10):
        fresh = [person() for _ in range(5)]

        async def fan_out(targets: Sequence[ledger.AccountRef]) -> None:
            legs = [ledger.debit(BANK, rupees(len(targets))), *(ledger.credit(t, rupees(1)) for t in targets)]
            await books.post(ledger.Posting(key=key(), kind="shop.move", legs=legs))

        outcome = await together([fan_out(chance.sample(fresh, 5)) for _ in range(15)])
        assert outcome == {"done": 15}


async def test_the_same_key_at_once_has_one_effect(books: Books) -> None:
    wallet, named = person(), key()
    results = await asyncio.gather(*(books.post(move(BANK, wallet, 100, named)) for _ in range(50)))
    assert len({result.id for result in results}) == 1
    assert [result.replayed for result in results].count(False) == 1
    assert await books.balance(wallet) == (100, 0, 100)


async def test_the_same_key_for_different_things_at_once_has_one_winner(books: Books) -> None:
    for _ in range(10):
        named, wallets = key(), [person() for _ in range(10)]
        outcome = await together(
            [books.post(move(ledger.house_account(f"clearing:{n}", "INR"), w, 1, named)) for n, w in enumerate(wallets)]
        )
        assert outcome == {"done": 1, "IdempotencyKeyReused": 9}


async def test_a_key_taken_in_an_open_transaction_makes_others_wait_for_its_end(books: Books) -> None:
    wallet, named = person(), key()
    written, other_waits = asyncio.Event(), asyncio.Event()

    async def first_rolls_back() -> None:
        async with books.transaction() as session:
            await ledger.post(session, move(BANK, wallet, 5, named))
            written.set()
            await other_waits.wait()
            raise KeyError

    async def waiting_in_the_database() -> None:
        async with books.house.database.reading() as session:
            while not await blocked_backends(session):
                pass
        other_waits.set()

    async def second_posts() -> ledger.Transaction:
        await written.wait()
        return await books.post(move(BANK, wallet, 5, named))

    first, second, _ = await asyncio.gather(
        first_rolls_back(), second_posts(), waiting_in_the_database(), return_exceptions=True
    )
    assert isinstance(first, KeyError)
    assert isinstance(second, ledger.Transaction)
    assert not second.replayed
    assert await books.balance(wallet) == (5, 0, 5)


async def test_of_100_captures_of_a_hold_one_wins(books: Books) -> None:
    wallet = person()
    await books.fund(wallet, 100)
    held = await books.hold(wallet, 100)
    outcome = await together([books.capture(held.id, move(wallet, BANK, 100)) for _ in range(100)])
    assert outcome == {"done": 1, "HoldEnded": 99}
    assert await books.balance(wallet) == (0, 0, 0)


async def test_capture_void_and_expiry_of_the_same_holds_have_one_winner_each(books: Books) -> None:
    wallet = person()
    await books.fund(wallet, 3_000)
    async with books.transaction() as session:
        held = [
            await ledger.hold(session, key=key(), account=wallet, amount=rupees(100), expires_at=START)
            for _ in range(30)
        ]

    async def expire() -> None:
        async with books.transaction() as session:
            await holding.expire(session)

    attempts: list[Awaitable[object]] = []
    for hold in held:
        attempts += [books.capture(hold.id, move(wallet, CLEARING, 60)), books.void(hold.id)]
    random.Random(3).shuffle(attempts)
    with clock.held(START):
        await together([*attempts[:30], expire(), *attempts[30:], expire()])
    async with books.house.database.reading() as session:
        ended = Counter([(await ledger.get_hold(session, hold.id)).state for hold in held])
    assert "open" not in ended
    assert await books.balance(wallet) == (3_000 - 60 * ended["captured"], 0, 3_000 - 60 * ended["captured"])


async def test_every_transaction_reversed_twice_at_once_is_reversed_once(books: Books) -> None:
    wallets = [person() for _ in range(5)]
    written = [await books.fund(random.Random(n).choice(wallets), n + 1) for n in range(40)]
    outcome = await together([books.reverse(t.id) for t in written for _ in range(2)])
    assert outcome == {"done": 40, "AlreadyReversed": 40}
    assert [await books.balance(wallet) for wallet in wallets] == [(0, 0, 0)] * 5


async def test_readers_always_see_the_same_total_while_money_moves(books: Books) -> None:
    wallets = [person() for _ in range(5)]
    for wallet in wallets:
        await books.fund(wallet, 100)
    seen: set[int] = set()

    async def read() -> None:
        async with books.house.database.reading() as session:
            found = await ledger.balances(session, wallets)
        assert min(balance.posted.minor for balance in found.values()) >= 0
        seen.add(sum(balance.posted.minor for balance in found.values()))

    chance = random.Random(5)
    moves = [books.post(move(*chance.sample(wallets, 2), paise=30)) for _ in range(80)]
    await together([attempt for pair in zip(moves, [read() for _ in moves], strict=True) for attempt in pair])
    assert seen == {500}
