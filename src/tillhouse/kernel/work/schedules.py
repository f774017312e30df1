"""When a schedule last fired: a pure function of the schedule and the instant, so that no process keeps a timetable."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tillhouse.kernel.work.definitions import Schedule

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOOK_BACK_DAYS = 8 * 366  # 29 February comes back after eight years at the latest
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def last_fire(schedule: Schedule, at: datetime) -> datetime | None:
    """The latest fire time at or before `at`, in UTC; None for a cron line that never matches.

    A local time that a change to summer time skips fires at the moment it would have been; one that comes twice fires
    the first time. Raises `ValueError` for a cron line that cannot be read.
    """
    if schedule.every is not None:
        return at - (at - _EPOCH) % schedule.every
    assert schedule.cron is not None
    zone = ZoneInfo(schedule.zone)
    minutes, hours, month_days, months, week_days = _parse(schedule.cron)
    for day in _days_before(at.astimezone(zone).date()):
        if day.month not in months or not _day_matches(schedule.cron, day, month_days, week_days):
            continue
        for hour in sorted(hours, reverse=True):
            for minute in sorted(minutes, reverse=True):
                fire = datetime.combine(day, time(hour, minute), zone).astimezone(UTC)
                if fire <= at:
                    return fire
    return None


def _days_before(day: date) -> Iterator[date]:
    return (day - timedelta(days=back) for back in range(_LOOK_BACK_DAYS))


def _day_matches(cron: str, day: date, month_days: frozenset[int], week_days: frozenset[int]) -> bool:
    """As in cron: when both day fields are restricted, either is enough."""
    _, _, month_day_field, _, week_day_field = cron.split()
    in_month, in_week = day.day in month_days, day.isoweekday() % 7 in week_days
    if month_day_field != "*" and week_day_field != "*":
        return in_month or in_week
    return in_month and in_week


@lru_cache(maxsize=256)
def _parse(cron: str) -> tuple[frozenset[int], ...]:
    fields = cron.split()
    if len(fields) != 5:
        raise ValueError(f"{cron!r}: a cron line has five fields: minute hour day month weekday")
    minutes, hours, month_days, months, week_days = (
        _field(cron, field, low, high) for field, (low, high) in zip(fields, _RANGES, strict=True)
    )
    return minutes, hours, month_days, months, frozenset(day % 7 for day in week_days)


def _field(cron: str, field: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        try:
            start = low if span == "*" else int(first)
            stop = high if span == "*" or (step and not last) else int(last or first)
            found.update(range(start, stop + 1, int(step or 1)))
        except ValueError:
            raise ValueError(f"{cron!r}: {part!r} is no cron field") from None
        if not low <= start <= stop <= high:
            raise ValueError(f"{cron!r}: {part!r} is not within {low}-{high}")
    return frozenset(found)
