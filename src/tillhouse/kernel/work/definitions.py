"""What a module says of its background work: events it emits, tasks it asks for, and the functions that do them.

Both are frozen dataclasses of ids and plain values with a dotted name: never a secret, never personal data.

    @event("payments.payment_captured")
    class PaymentCaptured(Event):
        payment_id: UUID

    @task("identity.send_code", lane="quick")
    class SendCode(Task):
        challenge_id: UUID
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar, dataclass_transform
from uuid import UUID

from tillhouse.kernel.db import Session, Transactions

if TYPE_CHECKING:
    from tillhouse.kernel.house import House
    from tillhouse.kernel.work.along import Along

Lane = Literal["money", "quick", "slow"]


class Event:
    """Base of all events: something that has happened. The `event` decorator names it."""

    name: ClassVar[str]


class Task:
    """Base of all tasks: something to be done later. The `task` decorator names it and puts it in a lane."""

    name: ClassVar[str]
    lane: ClassVar[Lane]


E = TypeVar("E", bound=Event)
T = TypeVar("T", bound=Task)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def event(name: str) -> Callable[[type[E]], type[E]]:
    """Make a class an event called `name` (`module.thing_happened`)."""

    def decorate(cls: type[E]) -> type[E]:
        cls.name = name
        return dataclass(frozen=True, kw_only=True)(cls)

    return decorate


@dataclass_transform(frozen_default=True, kw_only_default=True)
def task(name: str, *, lane: Lane) -> Callable[[type[T]], type[T]]:
    """Make a class a task called `name` (`module.do_thing`) that runs in `lane`."""

    def decorate(cls: type[T]) -> type[T]:
        cls.name = name
        cls.lane = lane
        return dataclass(frozen=True, kw_only=True)(cls)

    return decorate


class Cancelled(Exception):
    """The job was cancelled, or is no longer this process's to run: clean up and let it pass."""


class JobRun(Protocol):
    """One attempt at a job, as its function sees it."""

    @property
    def house(self) -> "House": ...
    @property
    def transaction(self) -> Transactions:
        """Opens a transaction. A flow opens several, with the network between them."""
        ...

    @property
    def job_id(self) -> UUID: ...
    @property
    def attempt(self) -> int:
        """1 the first time."""
        ...

    async def progress(self, done: int, total: int, note: str = "") -> None:
        """Tell whoever watches (live channel `job:<id>`) how far it is; call it outside a transaction.

        `note` is a message id, never personal data. Raises `Cancelled` when the job was cancelled.
        """
        ...

    async def take_along(self, kind: type[T], most: int) -> Sequence["Along[T]"]:
        """Begin the first attempt at up to `most` other jobs of this kind that wait, none of which another has.

        Each must be ended: by `finish_along` in the transaction of its effect, or by `put_back`. What neither reaches
        is tried again when this attempt's lease, as it is now, is over: within half a minute.
        """
        ...

    async def finish_along(self, session: Session, taken: Sequence["Along[T]"]) -> None:
        """Mark them done with the transaction's effect. Raises when one is no longer ours: let it roll back."""
        ...

    async def put_back(self, taken: Sequence["Along[T]"], why: Exception) -> None:
        """Have each tried by itself: at once, or after a pause where `why` is a `TransientError`."""
        ...


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job fires by itself: every so often, or by a cron line in a zone. Unique per schedule and fire time.

    Exactly one of `every` (counted from 1970, so that it needs no memory) and `cron` (minute, hour, day of month,
    month, day of week) is given. Fire times missed while nothing ran become one.
    """

    every: timedelta | None = None
    cron: str | None = None
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if (self.every is None) == (self.cron is None):
            raise ValueError("a schedule has either `every` or `cron`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[T]):
    """Binds a task to the function that does it.

    `run` gets one transaction, in which the job is marked done: its effect in the database happens exactly once.
    `flow` gets a `JobRun` and opens its own; it must be safe to run twice. Exactly one of the two is given.
    A `TransientError`, an unexpected exception and `time_limit` are tried again, up to `attempts`, with growing pauses;
    any other `DomainError` ends the job at once.
    `on_dead` is the way back (for the money, above all) when the job is given up or cancelled: it gets the transaction
    in which the job is marked so, and is tried until it succeeds.
    `schedule` fires the task without arguments. `example` is a harmless task for the conformance suite, which runs it
    twice.
    """

    task: type[T]
    run: Callable[[Session, T], Awaitable[None]] | None = None
    flow: Callable[[JobRun, T], Awaitable[None]] | None = None
    attempts: int = 10
    time_limit: timedelta = timedelta(minutes=2)
    on_dead: Callable[[Session, T], Awaitable[None]] | None = None
    schedule: Schedule | None = None
    example: Callable[[], T] | None = None

    def __post_init__(self) -> None:
        if (self.run is None) == (self.flow is None):
            raise ValueError(f"{self.task.name}: a job has either `run` or `flow`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler(Generic[E]):
    """A reaction to an event: `run` gets one transaction, in which the delivery is marked done.

    `name` is unique in its module. Handlers of one event run apart from each other, in no order.
    """

    event: type[E]
    name: str
    run: Callable[[Session, E], Awaitable[None]]
    lane: Lane = "quick"
    attempts: int = 10


# A list of jobs holds functions of different tasks; each is called only with the task it was bound to.
AnyJob = Job[Any]
AnyHandler = Handler[Any]
