"""Faults on demand: what goes wrong with webhooks and API calls, how often, and where."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from tillhouse.sandbox import ids
from tillhouse.sandbox.clock import Clock
from tillhouse.sandbox.store import Record, Store

WebhookFault = Literal["duplicate", "delay", "reorder", "drop", "tamper", "amount_off"]
CallFault = Literal["timeout_before", "timeout_after", "status_429", "status_500", "cut_stream", "stall_stream"]

WEBHOOK_FAULTS: tuple[str, ...] = get_args(WebhookFault)
CALL_FAULTS: tuple[str, ...] = get_args(CallFault)


class FaultRequest(BaseModel):
    """A wish for trouble."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field(
        "*",
        description="`razorpay` (RazorpayX too), `razorpayx`, `stripe` (Connect too), `stripe_connect`, `omise`,"
        " `sepay` (its gateway too), `sepay_pg`, `twilio`, `whatsapp`, `fcm`, `webpush`, `openai`, `anthropic`,"
        " `astria`, `google`, or `*`.",
    )
    path: str = Field(
        "*",
        description="Glob or prefix. For API calls: `/v1/payouts`, `POST /v1/orders`; for webhooks: the event"
        " (`payment.captured`) or the target's path.",
    )
    fault: WebhookFault | CallFault
    count: int = Field(1, ge=1, le=10_000, description="How many webhooks or calls it strikes.")
    seconds: float | None = Field(
        None,
        gt=0,
        le=86_400,
        description="Length of `delay`, `reorder`'s patience, or how long `timeout_*` and `stall_stream` hold.",
    )


class Fault(Record, FaultRequest):
    """A fault in force; `count` is what is left of it."""

    kind: ClassVar[str] = "fault"


class Faults:
    """The faults in force. A fault is used up as it strikes."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def add(self, wish: FaultRequest) -> Fault:
        """Put a fault in force."""
        fault = Fault(id=f"fault_{ids.token(10)}", created_at=self._clock.now_s(), **wish.model_dump())
        self._store.put(fault)
        return fault

    def all(self) -> list[Fault]:
        """Every fault in force, oldest first: the order in which they are tried."""
        return self._store.find(Fault, oldest_first=True)

    def remove(self, fault_id: str) -> bool:
        """Lift one fault; whether it was in force."""
        return self._store.delete(Fault, fault_id)

    def clear(self) -> None:
        """Lift all of them."""
        self._store.delete_all(Fault)

    def strike(self, kinds: Iterable[str], provider: str, names: Iterable[str]) -> Fault | None:
        """The first fault among `kinds` that matches, with one use taken off it; or None."""
        wanted, candidates = set(kinds), list(names)
        if not self.all():
            return None
        with self._store.transaction():
            for fault in self.all():
                if fault.fault in wanted and _concerns(fault, provider, candidates):
                    self._use_up(fault)
                    return fault
        return None

    def _use_up(self, fault: Fault) -> None:
        if fault.count <= 1:
            self._store.delete(Fault, fault.id)
        else:
            self._store.put(fault.model_copy(update={"count": fault.count - 1}))


def _concerns(fault: Fault, provider: str, names: list[str]) -> bool:
    # A provider's other product is named after it (razorpayx, sepay_pg): what strikes the provider reaches both.
    if fault.provider != "*" and not provider.startswith(fault.provider):
        return False
    return any(fnmatchcase(name, fault.path) or name.startswith(fault.path) for name in names)
