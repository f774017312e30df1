"""Who watches accounts is told of every change that was written for one of them, and of nothing else."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.parts.ledger.books import BANK, Books, move, open_books, person
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger


@dataclass
class Watch:
    """A house in which a module watches the wallets of people."""

    books: Books
    told: list[ledger.AccountRef] = field(default_factory=list)

    def take(self) -> list[ledger.AccountRef]:
        """What was told since it was last asked for."""
        told, self.told[:] = list(self.told), []
        return told


@pytest.fixture
async def watch(settings: KernelSettings) -> AsyncIterator[Watch]:
    told: list[ledger.AccountRef] = []
    tower = Module(
        name="tower",
        title="Tower",
        floor="product",
        folder=Path(__file__).parent,
        requires=("ledger",),
        provides=lambda house: (ledger.AccountWatcher("person", "wallet", lambda _session, one: told.append(one)),),
    )
    async with open_books(settings, more=(tower,)) as books:
        yield Watch(books, told)


async def test_every_single_write_tells_of_the_watched_accounts_it_touched_and_of_no_other(watch: Watch) -> None:
    books, payer, payee = watch.books, person(), person()
    funded = await books.fund(payer, 100)
    assert watch.take() == [payer], "the bank is nobody's"
    await books.post(move(payer, payee, 10))
    assert set(watch.take()) == {payer, payee}
    first, second = await books.hold(payer, 20), await books.hold(payer, 20)
    assert watch.take() == [payer, payer]
    await books.capture(first.id, move(payer, BANK, 20))
    assert watch.take() == [payer]
    await books.void(second.id)
    assert watch.take() == [payer]
    await books.fund(payer, 30)
    watch.take()
    await books.reverse(funded.id)
    assert watch.take() == [payer]


async def test_what_is_refused_is_no_change(watch: Watch) -> None:
    with pytest.raises(ledger.InsufficientFunds):
        await watch.books.post(move(person(), BANK, 1))
    with pytest.raises(ledger.InsufficientFunds):
        await watch.books.hold(person(), 1)
    assert watch.take() == []


async def test_a_bulk_tells_only_when_it_is_watched_and_once_for_each_account(watch: Watch) -> None:
    books, first, second, refused = watch.books, person(), person(), person()
    async with books.transaction() as session:
        await ledger.post_many(session, [move(BANK, first, 5)])
    assert watch.take() == []
    postings = [move(BANK, first, 5), move(BANK, second, 5), move(refused, BANK, 5), move(BANK, first, 5)]
    async with books.transaction() as session:
        await ledger.post_many(session, postings, watched=True)
    assert watch.take() == [first, second]
