"""The news of payments, told in any order: many orders side by side, so that one costs little.

The outside stands still while its news is told: what a gateway says of a payment is asked once and remembered. Events
are handed in behind their address, and settled by what their job calls: the address, the jobs and the asking itself are
tested where they cost a request less than 20,000.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any, cast
from uuid import UUID

from sqlalchemy import text

from tests.money.flows import Deposit, Town
from tests.registry import put_in_place
from tillhouse.kernel.db import Session
from tillhouse.kernel.house import House
from tillhouse.kernel.work import Along, JobRun
from tillhouse.parts.payments.domain import PaymentFacts
from tillhouse.parts.payments.events import HandleEvent
from tillhouse.parts.payments.flows.events import handle_event
from tillhouse.parts.payments.flows.together import settle_company
from tillhouse.parts.payments.ports import Gateway
from tillhouse.parts.payments.service.registry import installed_gateway
from tillhouse.sandbox.webhooks import Delivery

AT_ONCE = 8  # as many as the house has connections
COMPANY = 50  # as many as one job takes along, and itself

VERIFY = "verify"


def every_order(left: Counter[str]) -> Iterator[tuple[str, ...]]:
    """Every distinct order of a multiset."""
    if not left:
        yield ()
    for piece in sorted(left):
        rest = left.copy()
        rest[piece] -= 1
        for others in every_order(+rest):
            yield (piece, *others)


def orders_told_twice(pieces: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Every order of up to three pieces told twice; of more, every order with each piece told twice in a row, and told
    again after all.
    """
    if len(pieces) <= 3:
        yield from every_order(Counter(2 * tuple(pieces)))
        return
    for order in permutations(pieces):
        yield (*order, *order)
        yield tuple(piece for piece in order for _ in range(2))


async def side_by_side(doing: Iterable[Coroutine[Any, Any, None]]) -> None:
    """As many at once as the house has connections."""
    waiting = list(doing)
    for start in range(0, len(waiting), AT_ONCE):
        await asyncio.gather(*waiting[start : start + AT_ONCE])


class Remembering:
    """A gateway whose payments do not change any more."""

    def __init__(self, known: Gateway) -> None:
        self._known = known
        self._payments: dict[tuple[str, str | None], PaymentFacts] = {}
        self._of: dict[str, list[PaymentFacts]] = {}

    def __getattr__(self, name: str) -> object:
        return getattr(self._known, name)

    async def fetch_payment(self, payment_id: str, *, order_id: str | None = None) -> PaymentFacts:
        asked = (payment_id, order_id)
        if asked not in self._payments:
            self._payments[asked] = await self._known.fetch_payment(payment_id, order_id=order_id)
        return self._payments[asked]

    async def payments_of(self, order_id: str) -> list[PaymentFacts]:
        if order_id not in self._of:
            self._of[order_id] = await self._known.payments_of(order_id)
        return self._of[order_id]


def stand_still(town: Town, provider: str) -> None:
    """From now on what the gateway says of a payment is remembered."""
    known = installed_gateway(town.till.house, provider)
    still = replace(known, gateway=cast("Gateway", Remembering(known.gateway)))
    put_in_place(town.till.house, lambda thing: thing is known, still)


@dataclass
class Paid:
    """One payment and the news of it, by name."""

    case: Deposit
    events: dict[str, Delivery]

    @classmethod
    async def begin_all(cls, town: Town, cases: Iterable[Deposit]) -> "list[Paid]":
        known = {event.id for event in town.till.webhooks()}
        return [await cls._begin(case, known) for case in cases]

    @classmethod
    async def begin(cls, case: Deposit) -> "Paid":
        return await cls._begin(case, {event.id for event in case.till.webhooks()})

    @classmethod
    async def _begin(cls, case: Deposit, known: set[str]) -> "Paid":
        await case.begin()
        await case.pay(await case.order())
        fresh = [event for event in case.till.webhooks() if event.id not in known]
        # The sandbox tells of each thing once: a name that comes twice would hide one of them.
        assert len({event.event for event in fresh}) == len(fresh)
        known.update(event.id for event in fresh)
        return cls(case, {event.event: event for event in fresh})

    async def hear(self, piece: str) -> None:
        if piece == VERIFY:
            assert self.case.proof
            await self.case.till.verify(self.case.proof)
        else:
            await self.case.till.take(self.events[piece])


async def tell(town: Town, paid: Sequence[Paid], orders: Sequence[Sequence[str]], *, in_company: bool = False) -> None:
    """Tell each payment's news in its order: each piece is settled before the next one comes.

    In company, the events of one position are stored in one transaction and settled in few.
    """
    for position in range(max(map(len, orders))):
        heard = [(one, order[position]) for one, order in zip(paid, orders, strict=True) if position < len(order)]
        together = [one.events[piece] for one, piece in heard if in_company and piece != VERIFY]
        if together:
            await town.till.take(*together)
        await side_by_side(one.hear(piece) for one, piece in heard if not in_company or piece == VERIFY)
        await settle_news(town, in_company=in_company)


async def settle_news(town: Town, *, in_company: bool) -> None:
    """What the jobs of the events that came do: those that come alone, or one that took many along."""
    house = town.till.house
    waiting = await _waiting(house)
    if in_company:
        run = cast("JobRun", Attempt(house))
        for start in range(0, len(waiting), COMPANY):
            await settle_company(run, dict.fromkeys(waiting[start : start + COMPANY]), {})
        waiting = await _waiting(house)
    await side_by_side(handle_event(house, row_id) for row_id in waiting)


@dataclass(frozen=True)
class Attempt:
    """An attempt at a job that took no other job along."""

    house: House

    async def finish_along(self, session: Session, taken: Sequence[Along[HandleEvent]]) -> None:
        assert taken == []


async def _waiting(house: House) -> list[UUID]:
    async with house.database.reading() as session:
        rows = await session.execute(text("SELECT id FROM payments.provider_events WHERE state = 'received'"))
        return list(rows.scalars())
