"""A subscription's life: what happens next, from what is known now.

    pending → trialing | active → past_due → grace → expired, and from each of them cancelled

Pending: begun, its first invoice not paid yet. Past due: a period is over and the next is not paid; the service goes
on while it is asked for again on stated days. Grace: it is asked for no more, and the service goes on a little longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal


class State(StrEnum):
    """Where a subscription is."""

    PENDING = "pending"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    GRACE = "grace"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


LIVE = frozenset({State.PENDING, State.TRIALING, State.ACTIVE, State.PAST_DUE, State.GRACE})
SERVED = LIVE - {State.PENDING}


class InvoiceState(StrEnum):
    """Where an invoice is. `void`: nothing is owed any more; `uncollectible`: it was asked for long enough."""

    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


Step = Literal["end", "invoice", "ask", "lapse", "fall_due", "begin_grace", "expire", "give_up"]
"""`end`: it was cancelled for this time. `invoice`: write the next period's. `ask`: charge what can be charged, else
remind. `lapse`: nobody paid for a change of plan. `fall_due`: the paid time is over. `begin_grace`, `expire`: nobody
paid. `give_up`: the first one never was."""


@dataclass(frozen=True, slots=True)
class Dunning:
    """How payment is asked for: written `lead` before it is due, asked for again `retries` after, then `grace`.

    `patience` is how long a first invoice waits.
    """

    lead: timedelta
    retries: Sequence[timedelta]
    grace: timedelta
    patience: timedelta

    @property
    def last_retry(self) -> timedelta:
        return max(self.retries, default=timedelta())


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a subscription. `paid_until` is the end of the time that is paid for, or of the trial.

    `asked` counts the times that the open invoice was asked for; None where there is no open invoice. `charging`: a
    card is being charged for it, and what becomes of that is not known yet. `notice`: how long before the money is due
    it is asked for first, where what will be charged takes so long. `lapses_at`: the open invoice is for a change of
    plan, and what it counts of the plan before is used up as time passes: until when it can be paid.
    """

    state: State
    begun_at: datetime
    paid_until: datetime
    ends_at_period_end: bool
    asked: int | None
    charging: bool = False
    notice: timedelta = timedelta()
    lapses_at: datetime | None = None


def next_step(facts: Facts, dunning: Dunning, now: datetime) -> Step | None:  # noqa: PLR0911  a table in order of rank
    """What is due now; None: nothing. Taking every step until None brings a subscription up to date after any pause."""
    if facts.state not in LIVE:
        return None
    if facts.state == State.PENDING:
        return "give_up" if now >= facts.begun_at + dunning.patience else None
    over = now >= facts.paid_until
    if facts.ends_at_period_end:
        return "end" if over else None
    if facts.asked is None:
        return "invoice" if now >= facts.paid_until - dunning.lead else None
    if facts.lapses_at:
        return "lapse" if over or now >= facts.lapses_at else None
    if now >= _ask_at(facts, dunning):
        return "ask"
    if over and facts.state in (State.TRIALING, State.ACTIVE) and not facts.charging:
        return "fall_due"
    if facts.state == State.PAST_DUE and facts.asked > len(dunning.retries):
        return "begin_grace"
    if facts.state == State.GRACE and now >= facts.paid_until + dunning.last_retry + dunning.grace:
        return "expire"
    return None


def next_look(facts: Facts, dunning: Dunning) -> datetime | None:
    """When something is due next, once nothing is due now. None for what has ended."""
    if facts.state not in LIVE:
        return None
    if facts.state == State.PENDING:
        return facts.begun_at + dunning.patience
    if facts.ends_at_period_end:
        return facts.paid_until
    if facts.asked is None:
        return facts.paid_until - dunning.lead
    if facts.lapses_at:
        return min(facts.paid_until, facts.lapses_at)
    if facts.state in (State.TRIALING, State.ACTIVE):
        return _ask_at(facts, dunning) if facts.charging else min(facts.paid_until, _ask_at(facts, dunning))
    if facts.state == State.PAST_DUE:
        return _ask_at(facts, dunning)
    return facts.paid_until + dunning.last_retry + dunning.grace


def times_to_ask(paid_until: datetime, dunning: Dunning, now: datetime) -> int:
    """How many times the invoice of the next period should have been asked for by now. After a pause several count
    as one: nobody is reminded four times in a minute."""
    return sum(paid_until + after <= now for after in _asks(dunning))


def _ask_at(facts: Facts, dunning: Dunning) -> datetime:
    assert facts.asked is not None
    times = [-facts.notice, *_asks(dunning)[1:]]
    if facts.asked >= len(times):
        return datetime.max.replace(tzinfo=facts.paid_until.tzinfo)
    return facts.paid_until + times[facts.asked]


def _asks(dunning: Dunning) -> list[timedelta]:
    """After the end of the paid time: at once, then on each of the stated days."""
    return [timedelta(), *sorted(dunning.retries)]
