"""Which part of a file a request asks for (RFC 9110, section 14), and whether it has the file already (section 13)."""

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

_ONE = re.compile(r"([0-9]*)-([0-9]*)")
_MOST_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes from `start` up to, not with, `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


class RangeNotSatisfiable(Exception):
    """Nothing of what was asked for exists, or more than one part was asked for at once."""


def part_of(header: str | None, size: int) -> Part | None:
    """The part that `Range: …` asks for; None for the whole file, also for a header that means nothing.

    Raises `RangeNotSatisfiable`. More than one part is refused, which RFC 9110 (14.2) leaves to us: a body of many
    parts has no reader here, and is a known way to make a server work.
    """
    unit, _, asked = (header or "").partition("=")
    if unit.strip().lower() != "bytes" or not asked:
        return None
    ranges = [one.strip() for one in asked.split(",") if one.strip()]
    found = [_ONE.fullmatch(one) for one in ranges]
    if not ranges or not all(match and (match[1] or match[2]) for match in found):
        return None
    if len(found) > 1:
        raise RangeNotSatisfiable
    assert found[0]
    first, last = found[0].groups()
    if len(first) > _MOST_DIGITS or len(last) > _MOST_DIGITS:
        raise RangeNotSatisfiable
    return _part(first, last, size)


def _part(first: str, last: str, size: int) -> Part | None:
    if not first:
        count = min(int(last), size)
        if count == 0:
            raise RangeNotSatisfiable
        return Part(size - count, size)
    start = int(first)
    if last and int(last) < start:
        return None  # not a range at all, by the grammar's own words
    if start >= size:
        raise RangeNotSatisfiable
    return Part(start, min(int(last) + 1, size) if last else size)


def etag_of(sha256: bytes) -> str:
    """A strong tag: equal tags are equal bytes."""
    return f'"{sha256.hex()[:32]}"'


def unchanged(condition: str | None, etag: str, since: datetime) -> bool:
    """Whether `If-Range: …` still holds: our tag, or exactly our date. True without the header."""
    if condition is None:
        return True
    return condition.strip() in (etag, format_datetime(since, usegmt=True))
