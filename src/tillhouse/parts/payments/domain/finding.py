"""What staff look for among payments: None asks for nothing. `since` is the first instant, `until` the first after."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from tillhouse.parts.payments.domain.orders import OrderState
from tillhouse.parts.payments.domain.payouts import PayoutState
from tillhouse.parts.payments.domain.refunds import DisputeState, RefundState


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """What every list can be narrowed by. `amount` is minor units of `currency`, or of any without one."""

    provider: str | None = None
    amount: int | None = None
    currency: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter(Narrowing):
    """Orders. `text` is an id of ours or of a gateway, or the e-mail address an order was made with; `owner` their
    payer.
    """

    text: str | None = None
    owner: UUID | None = None
    state: OrderState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutFilter(Narrowing):
    """Payouts. `text` is an id of ours, of the provider or of the bank (its UTR)."""

    text: str | None = None
    owner: UUID | None = None
    state: PayoutState | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFilter(Narrowing):
    """Refunds. `text` is an id of ours or of the gateway."""

    text: str | None = None
    state: RefundState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFilter(Narrowing):
    """Disputes. `running`: those that their bank has not decided."""

    text: str | None = None
    state: DisputeState | None = None
    running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter(Narrowing):
    """Events of providers. `stuck`: put aside, or given up by the job that was to settle them.

    `dead` are the events that jobs have given up: the caller knows.
    """

    text: str | None = None
    name: str | None = None
    state: str | None = None
    stuck: bool = False
    dead: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFilter(Narrowing):
    """Bank transfers. `open_only`: those whose money waits in suspense."""

    text: str | None = None
    state: str | None = None
    open_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFilter(Narrowing):
    """Lines of providers' reports. `differing`: those that do not agree with our books."""

    line_class: str | None = None
    day: date | None = None
    differing: bool = False
