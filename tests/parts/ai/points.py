"""The points of those who pay for the use of models, in a house that billing is plugged into."""

import itertools
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from tillhouse.kernel.house import House
from tillhouse.kernel.invariants import check_all
from tillhouse.kernel.money import Money
from tillhouse.parts.billing import api as billing
from tillhouse.parts.billing.models import ChargeRow
from tillhouse.parts.ledger import api as ledger

_keys = itertools.count(1)


@dataclass
class Points:
    """What one payer has, and what was taken."""

    house: House
    owner: billing.Owner

    @classmethod
    def of(cls, house: House, person_id: UUID) -> "Points":
        return cls(house, billing.person(person_id))

    async def give(self, amount: int) -> None:
        async with self.house.database.transaction() as session:
            await billing.grant_points(
                session,
                self.owner,
                Money(amount, billing.POINTS),
                source="purchased",
                days=None,
                key=f"{self.owner.id}:{next(_keys)}",
            )

    async def cap(self, amount: int, owner: billing.Owner | None = None) -> None:
        """No more than that in a day; of the whole house unless an owner is named."""
        async with self.house.database.transaction() as session:
            await billing.set_cap(session, owner, Money(amount, billing.POINTS), "day")

    async def left(self) -> tuple[int, int]:
        """What can be spent, and what is set aside."""
        async with self.house.database.reading() as session:
            found = await ledger.lots_summary(session, billing.points_of(self.owner))
        return found.total.minor, found.reserved.minor

    async def charges(self) -> list[tuple[str, int, int]]:
        """State, most and cost of every charge, oldest first."""
        async with self.house.database.reading() as session:
            found = await session.execute(
                select(ChargeRow).where(ChargeRow.owner_id == self.owner.id).order_by(ChargeRow.id)
            )
            return [(row.state, row.reserved, row.captured) for row in found.scalars()]

    async def check(self) -> None:
        """The books are whole: every transaction sums to zero, and every other invariant holds."""
        async with self.house.database.reading() as session:
            findings = await check_all(session, self.house.modules)
        assert [found for found in findings if found.violations] == []
