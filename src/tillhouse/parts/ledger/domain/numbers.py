"""Numbers of transactions and holds: each begins with the time at which it was recorded."""

from datetime import UTC, datetime, timedelta

# A transaction's number is its recorded time in microseconds since this instant, then 12 bits that make it unique.
_NUMBERS_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
_LOW_BITS = 12
_LAST_NUMBER = 2**63 - 1


def recorded_at_of(number: int) -> datetime:
    """The recorded time that a transaction's or hold's number begins with."""
    return _NUMBERS_BEGIN + timedelta(microseconds=number >> _LOW_BITS)


def last_number_at(instant: datetime | None) -> int:
    """The greatest number that a transaction recorded at or before `instant` can have; None means any."""
    return _LAST_NUMBER if instant is None else max(0, min(_LAST_NUMBER, (_microsecond(instant) + 1 << _LOW_BITS) - 1))


def first_number_at(instant: datetime) -> int:
    """The least number that a transaction recorded at `instant` can have."""
    return max(0, min(_LAST_NUMBER, _microsecond(instant) << _LOW_BITS))


def _microsecond(instant: datetime) -> int:
    return (instant - _NUMBERS_BEGIN) // timedelta(microseconds=1)
