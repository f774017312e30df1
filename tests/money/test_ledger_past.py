"""The past stands still: whatever writers do meanwhile, an answer below the watermark is never another one."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.money.test_ledger_races import blocked_backends
from tests.parts.ledger.books import BANK, Books, move, open_books, person
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.service import sealing

SPRING = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def books(settings: KernelSettings) -> AsyncIterator[Books]:
    async with open_books(settings, pool=20) as opened:
        yield opened


class Storm:
    """Writers that post to shared wallets, backdate, roll back and let others wait, and readers that ask again."""

    def __init__(self, books: Books, wallets: list[ledger.AccountRef]) -> None:
        self.books, self.wallets, self.chance = books, wallets, random.Random(13)
        self.answers: dict[tuple[ledger.AccountRef, datetime, datetime], int] = {}
        self.writing = True

    async def write(self, number: int) -> None:
        for step in range(25):
            with suppress(KeyError):
                await self._post(fails=(number + step) % 7 == 0)

    async def _post(self, *, fails: bool) -> None:
        source, target = self.chance.sample([*self.wallets, BANK], 2)
        effective = SPRING + self.chance.randint(0, 3) * DAY if self.chance.random() < 0.5 else None
        async with self.books.transaction() as session:
            await ledger.post(session, replace(move(source, target, 1), effective_at=effective))
            for _ in range(self.chance.randint(0, 3)):  # others run meanwhile, and wait for this one's locks
                await ledger.watermark(session)
            if fails:
                raise KeyError

    async def read(self) -> None:
        while self.writing:
            async with self.books.house.database.reading() as session:
                recorded = await ledger.watermark(session) - timedelta(seconds=self.chance.randint(0, 1))
                point = (self.chance.choice(self.wallets), SPRING + self.chance.randint(0, 300) * DAY, recorded)
                for asked in [point, *self.chance.sample(list(self.answers), min(5, len(self.answers)))]:
                    await self._ask(session, asked)

    async def _ask(self, session: ReadSession, asked: tuple[ledger.AccountRef, datetime, datetime]) -> None:
        account, effective, recorded = asked
        found = await ledger.balance_at(session, account, effective=effective, recorded=recorded)
        if found.stable or asked in self.answers:
            assert self.answers.setdefault(asked, found.posted.minor) == found.posted.minor

    async def seal(self) -> None:
        while self.writing:
            async with self.books.transaction() as session:
                await sealing.seal(session, margin=timedelta(0))

    async def writers(self) -> None:
        try:
            await asyncio.gather(*(self.write(number) for number in range(8)))
        finally:
            self.writing = False


async def test_answers_below_the_watermark_never_change_while_writers_wait_for_each_others_locks(books: Books) -> None:
    wallets = [person() for _ in range(3)]
    for wallet in wallets:
        await books.fund(wallet, 1_000)
    storm = Storm(books, wallets)
    await asyncio.gather(storm.writers(), storm.read(), storm.read(), storm.seal())
    assert len(storm.answers) > 20
    async with books.house.database.reading() as session:
        for (account, effective, recorded), known in storm.answers.items():
            found = await ledger.balance_at(session, account, effective=effective, recorded=recorded)
            assert (found.posted.minor, found.stable) == (known, True)
        assert await sealing.broken(session, lambda done, total: None) == []


async def test_whoever_waited_for_a_lock_is_recorded_after_the_one_it_waited_for(books: Books) -> None:
    """Where `now()` stamps rows, the waiter's later balance carries an earlier time: reads of the past are wrong."""
    wallet = person()
    await books.fund(wallet, 100)
    locked, waits = asyncio.Event(), asyncio.Event()

    async def hold_the_lock() -> tuple[ledger.Transaction, ledger.Transaction]:
        async with books.transaction() as session:
            first = await ledger.post(session, move(wallet, BANK, 1))
            locked.set()
            await waits.wait()
            return first, await ledger.post(session, move(wallet, BANK, 2))

    async def wait_for_it() -> ledger.Transaction:
        await locked.wait()
        return await books.post(move(wallet, BANK, 4))

    async def until_it_waits() -> None:
        async with books.house.database.reading() as session:
            while not await blocked_backends(session):
                pass
        waits.set()

    (first, third), waited, _ = await asyncio.gather(hold_the_lock(), wait_for_it(), until_it_waits())
    assert first.recorded_at < third.recorded_at < waited.recorded_at
    async with books.house.database.reading() as session:
        for one, left in ((first, 99), (third, 97), (waited, 93)):
            found = await ledger.balance_at(session, wallet, recorded=one.recorded_at)
            assert (found.posted.minor, found.stable) == (left, True)


async def test_shuffled_insertion_gives_the_same_balance_at_every_effective_time(books: Books) -> None:
    chance = random.Random(17)
    steps = [(chance.randint(1, 50), SPRING + chance.randint(0, 9) * DAY) for _ in range(40)]
    read: list[list[int]] = []
    for _ in range(3):
        wallet = person()
        chance.shuffle(steps)
        for paise, effective in steps:
            await books.post(replace(move(BANK, wallet, paise), effective_at=effective))
        async with books.house.database.reading() as session:
            read.append(
                [
                    (await ledger.balance_at(session, wallet, effective=SPRING + day * DAY)).posted.minor
                    for day in range(-1, 11)
                ]
            )
    assert read[0] == read[1] == read[2]
    assert read[0][0] == 0
    assert read[0][-1] == sum(paise for paise, _ in steps)
