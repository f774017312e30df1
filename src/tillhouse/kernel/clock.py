"""Time: instants are aware and in UTC; a business date is fixed once, in the person's own zone.

Nothing else reads the system's clock, so that a test can hold it still.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def _system_now() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _system_now


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return _source()


def business_date(instant: datetime, zone: str) -> date:
    """The calendar day on which `instant` falls for someone in the IANA `zone`.

    Stored when the row is written: a day never moves because a server or a traveller changed zone.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant carries its zone; got a naive datetime")
    return instant.astimezone(ZoneInfo(zone)).date()


class TestClock:
    """A clock that moves only when told to."""

    __test__ = False

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


@contextmanager
def held(at: datetime | None = None) -> Iterator[TestClock]:
    """Hold the clock still at `at` (or at this moment) for the whole process. For tests and demo data."""
    global _source
    before, clock = _source, TestClock(at or _system_now())
    _source = clock
    try:
        yield clock
    finally:
        _source = before
