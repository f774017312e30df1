"""What products sell through billing: plans, packages of points, metered actions. They provide it; billing reads it.

A version that was sold never changes: to change a price, add a version. Subscriptions stay on the version that they
began with until their owner changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tillhouse.kernel.money import Money
from tillhouse.parts.billing.domain import Tax
from tillhouse.parts.billing.domain.periods import WindowKind


@dataclass(frozen=True, slots=True)
class Price:
    """What `months` months cost, tax included."""

    amount: Money
    months: int

    def __post_init__(self) -> None:
        if self.amount.minor <= 0 or not 1 <= self.months <= 36:
            raise ValueError("a price is above zero and for 1 to 36 months")


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of something may be used in each calendar day or month of the person's zone. `title` (a message id) is
    what people read of it.
    """

    limit: int
    window: WindowKind
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan that people subscribe to. One live subscription per owner and `family`; `rank` tells up from down.

    `points` are granted with every paid period, and end with it. `quotas` are read by the product (`use_quota`). An
    owner has one trial per family. Of several versions of one `code` the highest is offered.
    """

    code: str
    version: int
    family: str
    title: str
    rank: int
    prices: Sequence[Price]
    points: Money | None = None
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    trial_days: int = 0
    tax: Tax | None = None
    features: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PaidPurpose:
    """A use of models, such as `wordai.answer`, that its owner pays with points (BILLING_POINTS_PER_DOLLAR). What
    nobody declares, nor BILLING_PAID_PURPOSES names, the house pays. Provide ai's `PurposeTitle` beside it: people read
    what their points went for.
    """

    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsPackage:
    """Points to buy once, at one price per currency, tax included. `valid_days` None: they do not end."""

    code: str
    version: int
    title: str
    points: Money
    prices: Sequence[Money]
    valid_days: int | None = None
    tax: Tax | None = None

    def __post_init__(self) -> None:
        if self.points.minor <= 0 or any(price.minor <= 0 for price in self.prices):
            raise ValueError("points and prices are above zero")
