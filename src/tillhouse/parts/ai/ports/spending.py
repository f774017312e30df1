"""The port of whoever limits or charges what models are used for. Billing plugs it; nothing plugged limits nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.money import Money
from tillhouse.parts.ai.domain.calls import CallKind, Outcome, Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """A call that is about to be made. `most` is what it may cost at the most, in billionths of `unit`; it has ended
    after `seconds`, whatever becomes of it.
    """

    id: UUID
    kind: CallKind
    owner: Owner
    purpose: str
    model: str
    most: int
    unit: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Quote:
    """What a call may take from its owner at the most (nothing: the house pays), and what they have; in one unit."""

    most: Money
    available: Money

    @property
    def missing(self) -> Money:
        """How much too little they have."""
        return max(self.most - self.available, Money(0, self.most.unit))


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedCall:
    """A call that has ended with work done. `cost` in billionths of `unit`; never more than was produced."""

    id: UUID
    owner: Owner
    purpose: str
    model: str
    outcome: Outcome
    cost: int
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendGuard:
    """Provided by a module that guards spending. All but `quote`, which only tells, run in the transaction that writes
    the call's own row.

    `reserve` raises a `DomainError` to refuse: then nothing is sent. Then, once, `capture` (work was done) or
    `release` (none was, or nobody knows: then nobody is charged), also when the process dies in between.
    """

    name: str
    quote: Callable[[ReadSession, PlannedCall], Awaitable[Quote]]
    reserve: Callable[[Session, PlannedCall], Awaitable[None]]
    capture: Callable[[Session, CountedCall], Awaitable[None]]
    release: Callable[[Session, UUID], Awaitable[None]]
