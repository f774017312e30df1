"""A module that grants and spends points, on top of the shop's books."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.parts.ledger.books import SHOP, Books, key
from tillhouse.apps.compose import build_house
from tillhouse.kernel import clock
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.money import Money, register_unit
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.manifest import MODULE as LEDGER
from tillhouse.parts.ledger.service import holding, lots

register_unit("PTS", 0)

START = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)

CLUB = Module(
    name="club",
    title="Club",
    floor="product",
    folder=Path(__file__).parent,
    requires=("ledger",),
    provides=lambda house: (
        ledger.AccountKind(
            owner_kind="person", code="points", type="liability", floor=0, lots=True, number="2200", title="Points"
        ),
        ledger.AccountKind(owner_kind="house", code="lots:sales", type="income", title="Share of sales"),
        ledger.TransactionKind(name="club.points", title="Points", legs=("house/lots:*", "person/points")),
    ),
)


def points(amount: int) -> Money:
    return Money(amount, "PTS")


def member() -> ledger.AccountRef:
    """The points of somebody new."""
    return ledger.AccountRef("person", new_id(), "points", "PTS")


class Purse(Books):
    """Books with points; each shortcut opens a transaction."""

    async def grant(self, account: ledger.AccountRef, amount: int, days: int | None = None, **more: Any) -> ledger.Lot:
        terms: dict[str, Any] = {"key": key(), "kind": "club.points", "source": "purchased", **more}
        if days is not None:
            terms["expires_at"] = START + days * DAY
        async with self.transaction() as session:
            return await ledger.grant(session, account, points(amount), **terms)

    async def spend(self, account: ledger.AccountRef, amount: int, **more: Any) -> ledger.LotsMoved:
        terms: dict[str, Any] = {"key": key(), "kind": "club.points", **more}
        async with self.transaction() as session:
            return await ledger.spend(session, account, points(amount), **terms)

    async def refund(self, spend: ledger.LotsMoved, amount: int, named: str | None = None) -> ledger.LotsMoved:
        async with self.transaction() as session:
            return await ledger.refund(session, spend.transaction_id, points(amount), key=named or key())

    async def revoke(self, lot: ledger.Lot, amount: int) -> ledger.LotsMoved:
        async with self.transaction() as session:
            return await ledger.revoke(session, lot.id, points(amount), key=key(), kind="club.points")

    async def reserve(self, account: ledger.AccountRef, amount: int, **more: Any) -> ledger.Hold:
        terms: dict[str, Any] = {"key": key(), **more}
        async with self.transaction() as session:
            return await ledger.reserve(session, account, points(amount), **terms)

    async def charge(self, hold: ledger.Hold, amount: int, named: str | None = None) -> ledger.LotsMoved:
        async with self.transaction() as session:
            return await ledger.capture_reserved(
                session, hold.id, points(amount), key=named or key(), kind="club.points"
            )

    async def expire(self) -> None:
        async with self.transaction() as session:
            await lots.expire(session)

    async def expire_holds(self) -> None:
        async with self.transaction() as session:
            await holding.expire(session)

    async def left(self, account: ledger.AccountRef) -> list[int]:
        """What each lot of an account has left, in the order they were granted."""
        async with self.house.database.reading() as session:
            found = await ledger.lots_of(session, account)
        return [lot.remaining.minor for lot in reversed(found)]

    async def lot(self, account: ledger.AccountRef, place: int = 0) -> ledger.Lot:
        """The lot of an account that was granted at `place`."""
        async with self.house.database.reading() as session:
            return list(reversed(await ledger.lots_of(session, account)))[place]


@asynccontextmanager
async def open_purse(
    settings: KernelSettings, *more: Module, pool: int = 10, sound: bool = True
) -> AsyncIterator[Purse]:
    """A house with points; the clock stands at START. Leaving it checks every invariant."""
    house = build_house(settings.model_copy(update={"database_pool": pool}), catalogue=(LEDGER, SHOP, CLUB, *more))
    try:
        purse = Purse(house)
        with clock.held(START):
            yield purse
        if sound:
            assert await purse.violations() == []
    finally:
        await house.close()
