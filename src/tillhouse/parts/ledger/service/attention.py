"""What of the books may wait for staff: figures on the first page of the console."""

from datetime import timedelta

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.console import ConsoleCard
from tillhouse.kernel.work import last_check
from tillhouse.parts.ledger.service import lots_reading, reading

_OLD = timedelta(days=1)
_SOON = timedelta(days=7)


async def _broken(session: ReadSession) -> int:
    last = await last_check(session)
    return sum(name.startswith("ledger.") for name in last.broken) if last else 0


async def _old_holds(session: ReadSession) -> int:
    return await reading.count_open_holds(session, clock.now() - _OLD)


async def _ending_lots(session: ReadSession) -> int:
    return await lots_reading.count_ending_lots(session, clock.now() + _SOON)


CARDS = (
    ConsoleCard(
        title=N_("Broken rules of the books"),
        text=N_("Stop payouts and look at once: the books contradict themselves."),
        count=_broken,
        href="/console/ledger/checks",
        permission="ledger.read",
        icon="shield-check",
    ),
    ConsoleCard(
        title=N_("Holds open for more than a day"),
        text=N_("Money that waits for a payout or a capture that may not come."),
        count=_old_holds,
        href="/console/ledger/holds",
        permission="ledger.read",
        icon="lock",
    ),
    ConsoleCard(
        title=N_("Lots that end within a week"),
        text=N_("Points that their owners will lose unless they spend them."),
        count=_ending_lots,
        href="/console/ledger/lots",
        permission="ledger.read",
        icon="coins",
    ),
)
