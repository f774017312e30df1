"""Lots: points and credits by where they came from, what was paid for them and when they end.

Spent are first those of the lowest priority number, then those that end soonest, then the oldest. Given back are the
same lots, the last taken first.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from tillhouse.kernel.errors import Conflict
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import AccountKind, AccountRef, TransactionKind

LotSource = Literal["purchased", "earned", "promotional"]
LotMovementKind = Literal["spend", "refund", "expire", "revoke"]

LOTS_REFUND = "ledger.lots_refund"
LOTS_EXPIRY = "ledger.lots_expiry"
LOTS_FORFEIT = "ledger.lots_forfeit"
SPENT = "lots:spent"
EXPIRED = "lots:expired"

_NEVER = datetime.max.replace(tzinfo=UTC)

LOT_ACCOUNTS = (
    AccountKind(owner_kind="house", code="lots:issued:*", type="expense", number="5900", title=N_("Points issued")),
    AccountKind(owner_kind="house", code=SPENT, type="income", number="4900", title=N_("Points spent")),
    AccountKind(owner_kind="house", code=EXPIRED, type="income", number="4910", title=N_("Points expired")),
)
LOT_KINDS = (
    TransactionKind(name=LOTS_REFUND, title=N_("Points given back"), legs=("*",)),
    TransactionKind(name=LOTS_EXPIRY, title=N_("Points expired"), legs=("*",)),
    TransactionKind(name=LOTS_FORFEIT, title=N_("Points given up"), legs=("*",)),
)


def issued(source: LotSource) -> str:
    """The house's account that lots of `source` come from, unless the grant names another."""
    return f"lots:issued:{source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Points or credits that were granted together. `price` was paid for the whole lot; None: nothing was.

    `reserved` is the part of `remaining` that open holds have pinned: neither spending nor expiry takes it.
    """

    id: int
    account: AccountRef
    source: LotSource
    granted: Money
    remaining: Money
    reserved: Money
    price: Money | None
    priority: int
    expires_at: datetime | None
    granted_at: datetime

    @property
    def free(self) -> Money:
        return self.remaining - self.reserved

    @property
    def value(self) -> Money | None:
        """The share of `price` that is still owed, rounded up: it falls to zero with the last point, never before."""
        if self.price is None:
            return None
        return Money(-(-self.price.minor * self.remaining.minor // self.granted.minor), self.price.unit)

    def ended(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True)
class Part:
    """What is taken from one lot, or given back to it (positive either way)."""

    lot_id: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LotsMoved:
    """A written spend, refund or revocation, and what it took from each lot or gave back, in that order.

    `transaction_id` is the transaction's number; that of a spend is what `refund` asks for.
    """

    transaction_id: int
    kind: LotMovementKind
    account: AccountRef
    amount: Money
    parts: tuple[Part, ...]
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LotMovement:
    """One change of a lot: `amount` is negative when taken; `remaining` is what it left; `value` what it recognised.

    `value` is the share of the lot's price that stopped being owed (negative when given back). `extends_to` is the
    later end that a refund gave an expired lot.
    """

    transaction_id: int
    lot_id: int
    kind: LotMovementKind
    amount: Money
    remaining: Money
    value: Money | None
    spend_id: int | None
    extends_to: datetime | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LotsSummary:
    """What an account can spend now, by source. `reserved` is pinned by holds; `next_expiry` is of what is free."""

    account: AccountRef
    spendable: Mapping[LotSource, Money]
    reserved: Money
    next_expiry: datetime | None
    expiring: Money

    @property
    def total(self) -> Money:
        return sum(self.spendable.values(), Money(0, self.account.unit))


@dataclass(frozen=True, slots=True, kw_only=True)
class LotValue:
    """What the house owes for unspent lots of one source: points, and the money that was paid for them."""

    source: LotSource
    remaining: Money
    value: Money


class RefundTooLarge(Conflict):
    """More would be given back than was spent and not given back before."""

    code = "refund_too_large"

    def __init__(self, refundable: Money, asked: Money) -> None:
        super().__init__(
            N_("Of this spend {refundable} {unit} can still be given back, not {asked} {unit}. Nothing was changed."),
            refundable=refundable,
            asked=asked,
            unit=asked.unit,
        )
        self.refundable = refundable


def spendable(lots: Iterable[Lot], now: datetime, sources: Collection[LotSource] | None = None) -> list[Lot]:
    """The lots with something free that have not ended, in the order in which they are spent."""
    found = [lot for lot in lots if lot.free and not lot.ended(now) and (sources is None or lot.source in sources)]
    return sorted(found, key=_order)


def _order(lot: Lot) -> tuple[int, datetime, int]:
    return lot.priority, lot.expires_at or _NEVER, lot.id


def take(available: Sequence[Part], amount: int) -> list[Part] | None:
    """`amount` out of `available`, front first; None when there is not enough."""
    taken = []
    for part in available:
        share = min(part.amount, amount)
        if share:
            taken.append(Part(part.lot_id, share))
            amount -= share
    return taken if amount == 0 else None


def summarise(account: AccountRef, lots: Sequence[Lot], now: datetime) -> LotsSummary:
    """What can be spent of `lots`, all of `account`."""
    zero = Money(0, account.unit)
    free = spendable(lots, now)
    by_source: dict[LotSource, Money] = {}
    for lot in free:
        by_source[lot.source] = by_source.get(lot.source, zero) + lot.free
    ends = min((lot.expires_at for lot in free if lot.expires_at is not None), default=None)
    return LotsSummary(
        account=account,
        spendable=by_source,
        reserved=sum((lot.reserved for lot in lots), zero),
        next_expiry=ends,
        expiring=sum((lot.free for lot in free if ends is not None and lot.expires_at == ends), zero),
    )
