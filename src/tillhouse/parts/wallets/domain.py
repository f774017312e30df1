"""A wallet is a view on ledger accounts, one per owner (a person, an organisation) and unit. It has no row of its own,
hence nothing to create.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger.api import AccountRef

ACCOUNT_CODE = "wallet"
Direction = Literal["in", "out"]
OwnerKind = Literal["person", "organisation"]

_WALLETS = UUID("6f0b1f0c-7a0e-5a51-9a35-6f5ff0c1b0a4")


def account_ref(owner_id: UUID, unit: str, owner_kind: OwnerKind = "person") -> AccountRef:
    """The ledger account behind an owner's wallet: for postings and holds."""
    return AccountRef(owner_kind, owner_id, ACCOUNT_CODE, unit)


def wallet_id(owner_id: UUID, unit: str) -> UUID:
    """A wallet's id, worked out from whose it is: the same for ever, and there before anything was written."""
    return uuid5(_WALLETS, f"{owner_id}/{unit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """`available` can be spent; `held` is set aside (payouts on their way); `pending` is on its way in."""

    id: UUID
    currency: str
    available: Money
    held: Money
    pending: Money

    @property
    def posted(self) -> Money:
        """What is in it: available and held together."""
        return self.available + self.held


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One line of a wallet: `amount` is above zero, `balance` is what was in it afterwards.

    `title` is an English message id. `about` is what the module that posted it noted, such as the ids of the order
    or payout: for a page of the owner's that leads there, never to be shown or handed out as it is.
    """

    id: int
    kind: str
    title: str
    direction: Direction
    amount: Money
    balance: Money
    effective_at: datetime
    recorded_at: datetime
    reverses: int | None
    about: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementFilter:
    """Which movements of a wallet are wanted. `since` (inclusive) and `until` (exclusive) are effective times."""

    direction: Direction | None = None
    kinds: Collection[str] = ()
    since: datetime | None = None
    until: datetime | None = None


# What a file of movements has, in this order. `amount` is signed: what went out is below zero.
MOVEMENT_COLUMNS = (
    "id", "effective_at", "recorded_at", "kind", "title", "direction", "amount", "currency", "balance", "reverses",
)  # fmt: skip
