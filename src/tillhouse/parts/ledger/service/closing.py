"""Closing periods of the books: what is reported is not changed afterwards."""

from collections.abc import Sequence
from datetime import datetime

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.errors import FieldError, Forbidden, InvalidInput
from tillhouse.kernel.text import N_
from tillhouse.parts.identity.api import audit
from tillhouse.parts.ledger.domain import ClosedPeriod, PeriodClosed
from tillhouse.parts.ledger.store import history

CLOSE = "ledger.close"


async def close_period(session: Session, until: datetime, *, by: Principal, reason: str) -> None:
    """Let nothing take effect before `until` any more; a later posting is dated at or after it.

    Waits for the postings that are open, and lets none begin until the caller has committed: keep that short.
    Closing again up to the same time is harmless. Raises `Forbidden` without the permission `ledger.close`,
    `InvalidInput` for a time that is to come or has no zone, or without a reason, and `PeriodClosed` for a time before
    the end of what is closed: a closed period is not opened again.
    """
    await check_closing(session, until, by=by, reason=reason)
    closed = await closed_until(session)
    if closed is None or until > closed:
        await history.close_period(session, until, by.id, reason.strip())
        await audit(session, by, "ledger.close_period", f"period:{until.isoformat()}", {"reason": reason.strip()})


async def check_closing(session: ReadSession, until: datetime, *, by: Principal, reason: str) -> None:
    """Pass if `close_period` would close up to `until`. Raises as it does, and changes nothing."""
    if by.kind != "system" and not by.may(CLOSE):
        raise Forbidden(N_("You are not allowed to do this."))
    _check(until, clock.now(), reason.strip())
    closed = await closed_until(session)
    if closed is not None and until < closed:
        raise PeriodClosed(N_("The books are closed up to {until}: that is not taken back."), until=closed)


async def closed_until(session: ReadSession) -> datetime | None:
    """The time before which nothing can take effect any more; None when nothing is closed."""
    return max((period.until for period in await history.closed_periods(session)), default=None)


async def closed_periods(session: ReadSession) -> Sequence[ClosedPeriod]:
    """Every closing with who did it and why, the newest first."""
    return await history.closed_periods(session)


def _check(until: datetime, now: datetime, reason: str) -> None:
    faults: list[FieldError] = []
    if until.tzinfo is None:
        faults.append(FieldError("/until", "naive", N_("The time carries no zone.")))
    elif until > now:
        faults.append(FieldError("/until", "future", N_("Only what lies behind us can be closed.")))
    if not reason:
        faults.append(FieldError("/reason", "missing", N_("Say why the period is closed.")))
    if faults:
        raise InvalidInput(faults[0].message, errors=faults)
