"""Periods that are paid for, and windows in which use is counted: both by the calendar of the person's own zone.

A period that began on the 31st ends on the last day of a shorter month and on the 31st again of a longer one: each
is counted from the anchor, never from the one before. A day may have 23 or 25 hours.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

WindowKind = Literal["day", "month"]
WINDOWS: tuple[WindowKind, ...] = ("day", "month")


@dataclass(frozen=True, slots=True)
class Period:
    """[start, end) in UTC."""

    start: datetime
    end: datetime


Window = Period


def period_of(anchor: datetime, months: int, index: int, zone: str) -> Period:
    """The `index`-th period (from 0) of `months` months that began at `anchor`, by the calendar of `zone`."""
    return Period(_later(anchor, months * index, zone), _later(anchor, months * (index + 1), zone))


def window_of(instant: datetime, kind: WindowKind, zone: str) -> Window:
    """The calendar day or month of `zone` that `instant` falls in."""
    first = _first_day(instant, kind, zone)
    after = first + timedelta(days=1) if kind == "day" else _months_after(first, 1)
    return Window(_midnight(first, zone), _midnight(after, zone))


def counter_of(instant: datetime, kind: WindowKind, zone: str) -> datetime:
    """What use in `window_of` is counted under: its first day, the same in every zone. Whoever changes their zone goes
    on counting where they were, but for the hours in which it is another day there.
    """
    return _midnight(_first_day(instant, kind, zone), "UTC")


def _first_day(instant: datetime, kind: WindowKind, zone: str) -> date:
    today = instant.astimezone(ZoneInfo(zone)).date()
    return today if kind == "day" else today.replace(day=1)


def _later(anchor: datetime, months: int, zone: str) -> datetime:
    local = anchor.astimezone(ZoneInfo(zone))
    day = _months_after(local.date(), months)
    return datetime.combine(day, local.time(), ZoneInfo(zone)).astimezone(UTC)


def _months_after(day: date, months: int) -> date:
    count = day.year * 12 + day.month - 1 + months
    year, month = count // 12, count % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
