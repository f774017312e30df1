"""When a schedule last fired."""

from datetime import UTC, datetime, timedelta

import pytest

from tillhouse.kernel.work import Schedule
from tillhouse.kernel.work.schedules import last_fire


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "now", "fired"),
    [
        ("0 3 * * *", "UTC", "2026-03-01 02:59", "2026-02-28 03:00"),
        ("0 3 * * *", "UTC", "2026-03-01 03:00", "2026-03-01 03:00"),
        ("0 3 * * *", "Asia/Kolkata", "2026-03-01 00:00", "2026-02-28 21:30"),
        ("*/15 * * * *", "UTC", "2026-03-01 10:29", "2026-03-01 10:15"),
        ("5/20 * * * *", "UTC", "2026-03-01 10:59", "2026-03-01 10:45"),
        ("0 9 * * 1-5", "UTC", "2026-03-01 12:00", "2026-02-27 09:00"),
        ("0 9 * * 7", "UTC", "2026-03-02 12:00", "2026-03-01 09:00"),
        ("0 0 1 * *", "UTC", "2026-03-15 12:00", "2026-03-01 00:00"),
        ("0 0 29 2 *", "UTC", "2027-03-15 12:00", "2024-02-29 00:00"),
        ("0 0 13 * 5", "UTC", "2026-03-12 12:00", "2026-03-06 00:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29 12:00", "2026-03-29 01:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25 12:00", "2026-10-25 00:30"),
    ],
)
def test_a_cron_line_fires_at_the_wall_clock_of_its_zone(cron: str, zone: str, now: str, fired: str) -> None:
    assert last_fire(Schedule(cron=cron, zone=zone), at(now)) == at(fired)


def test_an_interval_fires_on_a_grid_that_needs_no_memory() -> None:
    assert last_fire(Schedule(every=timedelta(minutes=10)), at("2026-03-01 10:29")) == at("2026-03-01 10:20")


@pytest.mark.parametrize("cron", ["", "* * * *", "60 * * * *", "* * * * mon", "5-2 * * * *", "*/0 * * * *"])
def test_a_cron_line_that_cannot_be_read_is_refused(cron: str) -> None:
    with pytest.raises(ValueError):
        last_fire(Schedule(cron=cron), at("2026-03-01 10:29"))


def test_a_schedule_is_either_an_interval_or_a_cron_line() -> None:
    with pytest.raises(ValueError):
        Schedule()
    with pytest.raises(ValueError):
        Schedule(every=timedelta(hours=1), cron="0 3 * * *")
