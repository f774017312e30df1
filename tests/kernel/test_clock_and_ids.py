from datetime import UTC, date, datetime, timedelta

import pytest

from tillhouse.kernel import clock
from tillhouse.kernel.ids import new_id


def test_a_shift_across_midnight_counts_on_the_drivers_own_day() -> None:
    begin = datetime(2026, 3, 1, 18, 10, tzinfo=UTC)  # 23:40 in Kolkata
    end = datetime(2026, 3, 1, 18, 55, tzinfo=UTC)  # 00:25 the next day
    assert clock.business_date(begin, "Asia/Kolkata") == date(2026, 3, 1)
    assert clock.business_date(end, "Asia/Kolkata") == date(2026, 3, 2)


def test_an_instant_without_a_zone_has_no_business_date() -> None:
    with pytest.raises(ValueError, match="naive"):
        clock.business_date(datetime(2026, 3, 1), "Asia/Kolkata")  # noqa: DTZ001  # that is the point


def test_a_held_clock_moves_only_when_told() -> None:
    with clock.held(datetime(2026, 1, 1, tzinfo=UTC)) as held:
        assert clock.now() == clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
        held.advance(timedelta(minutes=11))
        assert clock.now() == datetime(2026, 1, 1, 0, 11, tzinfo=UTC)
    assert clock.now() > datetime(2026, 1, 1, 0, 11, tzinfo=UTC)


def test_ids_are_version_7_unique_and_in_the_order_of_time() -> None:
    ids = [new_id() for _ in range(2000)]
    assert {found.version for found in ids} == {7}
    assert {found.variant for found in ids} == {"specified in RFC 4122"}
    assert len(set(ids)) == len(ids)
    stamps = [found.int >> 64 for found in ids]  # to a quarter of a microsecond: those of one millisecond, too
    assert stamps == sorted(stamps)
    assert len(set(stamps)) > len(stamps) // 2
