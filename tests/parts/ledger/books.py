"""A small house with a ledger and a module that posts to it. Leaving it checks every invariant of the ledger."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.engine import make_url

from tillhouse.apps.compose import build_house
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.db import Session
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.manifest import MODULE as LEDGER

BANK = ledger.house_account("bank", "INR")
CLEARING = ledger.house_account("clearing:test", "INR")
FEES = ledger.house_account("fees:test", "INR")
BANK_USD = ledger.house_account("bank", "USD")

TABLES = (
    "accounts", "transactions", "entries", "keys", "reversals", "holds", "lots", "lot_movements", "lot_pins",
    "closed_periods",
)  # fmt: skip

SHOP = Module(
    name="shop",
    title="Shop",
    floor="product",
    folder=Path(__file__).parent,
    requires=("ledger",),
    provides=lambda house: (
        ledger.AccountKind(owner_kind="person", code="wallet", type="liability", floor=0, title="Wallet"),
        ledger.AccountKind(owner_kind="house", code="bank", type="asset", title="Bank"),
        ledger.AccountKind(owner_kind="house", code="clearing:*", type="asset", title="Clearing"),
        ledger.AccountKind(owner_kind="house", code="fees:*", type="expense", title="Fees"),
        ledger.TransactionKind(name="shop.move", title="Moved", legs=("house/*", "person/wallet")),
        ledger.TransactionKind(name="shop.settle", title="Settled", legs=("house/clearing:*", "house/bank")),
    ),
)

_keys = itertools.count(1)


def rupees(paise: int) -> Money:
    return Money(paise, "INR")


def key() -> str:
    """A key that no test used before."""
    return f"shop.test:{next(_keys)}"


def person() -> ledger.AccountRef:
    """The wallet of somebody new."""
    return wallet_of(new_id())


def wallet_of(owner: UUID) -> ledger.AccountRef:
    return ledger.AccountRef("person", owner, "wallet", "INR")


def move(source: ledger.AccountRef, target: ledger.AccountRef, paise: int, named: str | None = None) -> ledger.Posting:
    """`paise` out of one account into another: debits wallets that pay, credits wallets that receive."""
    legs = [ledger.debit(source, rupees(paise)), ledger.credit(target, rupees(paise))]
    return ledger.Posting(key=named or key(), kind="shop.move", legs=legs)


class Books:
    """The house, with shortcuts that open a transaction each."""

    def __init__(self, house: House) -> None:
        self.house = house

    def transaction(self) -> AbstractAsyncContextManager[Session]:
        return self.house.database.transaction()

    async def post(self, posting: ledger.Posting) -> ledger.Transaction:
        async with self.transaction() as session:
            return await ledger.post(session, posting)

    async def fund(self, wallet: ledger.AccountRef, paise: int) -> ledger.Transaction:
        """Give a wallet money out of the bank."""
        return await self.post(move(BANK, wallet, paise))

    async def hold(self, wallet: ledger.AccountRef, paise: int, named: str | None = None) -> ledger.Hold:
        async with self.transaction() as session:
            return await ledger.hold(session, key=named or key(), account=wallet, amount=rupees(paise))

    async def capture(self, hold_id: int, posting: ledger.Posting) -> ledger.Transaction:
        async with self.transaction() as session:
            return await ledger.capture(session, hold_id, posting)

    async def void(self, hold_id: int) -> ledger.Hold:
        async with self.transaction() as session:
            return await ledger.void(session, hold_id)

    async def reverse(self, transaction_id: int, named: str | None = None) -> ledger.Transaction:
        async with self.transaction() as session:
            return await ledger.reverse(session, transaction_id, key=named or key())

    async def close_period(self, closed_until: datetime) -> None:
        """Let nothing take effect before `closed_until` any more."""
        async with self.transaction() as session:
            await session.execute(text("SELECT ledger.close_period(:until, NULL, 'test')"), {"until": closed_until})

    async def balance(self, account: ledger.AccountRef) -> tuple[int, int, int]:
        """Posted, held and available in minor units."""
        async with self.house.database.reading() as session:
            found = await ledger.balance(session, account)
        return found.posted.minor, found.held.minor, found.available.minor

    async def violations(self) -> list[str]:
        found = []
        async with self.house.database.reading() as session:
            for invariant in LEDGER.invariants():
                found += [f"{invariant.name}: {line}" for line in await invariant.violations(session)]
        return found

    async def everything(self) -> dict[str, Sequence[asyncpg.Record]]:
        """All rows of the ledger but accounts that were only opened: to see that nothing changed."""
        connection = await asyncpg.connect(plain(self.house.settings.database_url))
        try:
            tables = {t: f"SELECT * FROM ledger.{t}" for t in TABLES if t != "accounts"}
            tables["accounts"] = "SELECT * FROM ledger.accounts WHERE sequence > 0 OR held > 0"
            return {name: await connection.fetch(f"{query} ORDER BY 1, 2") for name, query in tables.items()}
        finally:
            await connection.close()


@asynccontextmanager
async def open_books(
    settings: KernelSettings, *, pool: int = 10, sound: bool = True, more: Sequence[Module] = ()
) -> AsyncIterator[Books]:
    """A house with the ledger, the shop and `more`. `sound=False` is for tests that break it on purpose."""
    house = build_house(settings.model_copy(update={"database_pool": pool}), catalogue=(LEDGER, SHOP, *more))
    try:
        books = Books(house)
        yield books
        if sound:
            assert await books.violations() == []
    finally:
        await house.close()


def plain(url: str) -> str:
    """A URL as asyncpg itself reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def owner_url(server: EmbeddedPostgres, settings: KernelSettings) -> str:
    """The same database, as the role that owns the tables."""
    database = make_url(settings.database_url).database
    return (
        make_url(server.owner_url).set(drivername="postgresql", database=database).render_as_string(hide_password=False)
    )
