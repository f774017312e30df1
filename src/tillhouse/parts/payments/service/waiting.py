"""What of payments needs a person now: how much, since when, and where staff go for it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.console import ConsoleCard
from tillhouse.kernel.work import jobs
from tillhouse.parts.payments.events import HandleEvent
from tillhouse.parts.payments.store import finding
from tillhouse.parts.payments.store import reconciliation as reconciling

READ = "payments.read"
ROOT = "/console/payments"

# A provider answers within this, or nobody knows what became of the payout.
_ANSWERS_WITHIN = timedelta(minutes=10)
_DUE_SOON = timedelta(days=3)
_MOST_DEAD = 500

Counter = Callable[[ReadSession], Awaitable[tuple[int, datetime | None]]]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that needs a person. `title`, `text` are message ids; `since` is the oldest's, or for disputes the
    nearest day by which to answer (`due`).
    """

    name: str
    title: str
    text: str
    icon: str
    href: str
    count: int
    since: datetime | None
    due: bool = False


async def given_up(session: ReadSession) -> frozenset[UUID]:
    """Events whose job has given up: they stay as they came in until somebody replays them."""
    dead = await jobs(session, state="dead", name=HandleEvent.name, limit=_MOST_DEAD)
    return frozenset(UUID(str(one.payload["event_row_id"])) for one in dead)


async def needs_a_person(session: ReadSession) -> Sequence[Waiting]:
    """All of it, in the order in which to look: money that leaves first."""
    found = []
    for name, title, text, icon, path, count, due in _KINDS:
        number, since = await count(session)
        found.append(Waiting(name, title, text, icon, f"{ROOT}/{path}", number, since, due))
    return found


async def _payouts(session: ReadSession) -> tuple[int, datetime | None]:
    return await finding.payouts_waiting(session)


async def _unknown(session: ReadSession) -> tuple[int, datetime | None]:
    return await finding.payouts_unknown(session, clock.now() - _ANSWERS_WITHIN)


async def _events(session: ReadSession) -> tuple[int, datetime | None]:
    return await finding.events_stuck(session, await given_up(session))


async def _disputes(session: ReadSession) -> tuple[int, datetime | None]:
    return await finding.disputes_running(session)


async def _disputes_due(session: ReadSession) -> tuple[int, datetime | None]:
    return await finding.disputes_running(session, clock.now() + _DUE_SOON)


async def _transfers(session: ReadSession) -> tuple[int, datetime | None]:
    return await finding.transfers_open(session)


async def _exceptions(session: ReadSession) -> tuple[int, datetime | None]:
    return await reconciling.exceptions_open(session, proposed=False)


async def _proposed(session: ReadSession) -> tuple[int, datetime | None]:
    return await reconciling.exceptions_open(session, proposed=True)


_KINDS: tuple[tuple[str, str, str, str, str, Counter, bool], ...] = (
    (
        "payouts", N_("Payouts that wait for approval"), N_("The money is set aside in the wallet until you decide."),
        "hand-coins", "payouts?state=awaiting_approval", _payouts, False,
    ),
    (
        "unknown", N_("Payouts with an unknown outcome"),
        N_("Nobody knows yet whether the money left. It stays set aside, and the provider is asked until it knows."),
        "circle-help", "payouts?state=unknown", _unknown, False,
    ),
    (
        "proposed", N_("Proposals that wait for a second person"), N_("Agree to what somebody else proposed, or not."),
        "users", "exceptions?state=proposed", _proposed, False,
    ),
    (
        "exceptions", N_("Exceptions"), N_("Something does not agree: find out why, and propose how it ends."),
        "triangle-alert", "exceptions?state=open", _exceptions, False,
    ),
    (
        "events", N_("Events put aside or given up"), N_("News of a provider that we did not act on."),
        "webhook", "events?state=stuck", _events, False,
    ),
    (
        "disputes", N_("Disputes that run"), N_("Send evidence at the gateway before the day it names."),
        "scale", "disputes?running=true", _disputes, True,
    ),
    (
        "transfers", N_("Bank transfers that match nothing"), N_("Money that came in and waits for its order."),
        "landmark", "transfers?open_only=true", _transfers, False,
    ),
)  # fmt: skip


def _card(title: str, text: str, icon: str, path: str, count: Counter) -> ConsoleCard:
    async def number(session: ReadSession) -> int:
        return (await count(session))[0]

    return ConsoleCard(title=title, text=text, count=number, href=f"{ROOT}/{path}", permission=READ, icon=icon)


async def _all_exceptions(session: ReadSession) -> tuple[int, datetime | None]:
    return await reconciling.exceptions_open(session)


CARDS = (
    _card(
        N_("Payouts that wait for approval"), N_("The money is set aside in the wallet until you decide."),
        "hand-coins", "payouts?state=awaiting_approval", _payouts,
    ),
    _card(
        N_("Exceptions"), N_("Something does not agree: find out why, and propose how it ends."),
        "triangle-alert", "exceptions", _all_exceptions,
    ),
    _card(
        N_("Events put aside or given up"), N_("News of a provider that we did not act on."),
        "webhook", "events?state=stuck", _events,
    ),
    _card(
        N_("Disputes to answer within three days"), N_("Send evidence at the gateway before the day it names."),
        "scale", "disputes?running=true", _disputes_due,
    ),
    _card(
        N_("Bank transfers that match nothing"), N_("Money that came in and waits for its order."),
        "landmark", "transfers?open_only=true", _transfers,
    ),
)  # fmt: skip
