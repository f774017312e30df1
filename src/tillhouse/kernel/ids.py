"""Identifiers: time-ordered UUIDs (RFC 9562, version 7), so that indexes grow at their end."""

import secrets
import time
from uuid import UUID


def new_id() -> UUID:
    """Return a new version 7 UUID: 48 bits of Unix milliseconds, 12 of the fraction after them, then 62 random bits.

    The fraction (RFC 9562, 6.2, method 3) puts what one process makes within a millisecond in order, too.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    value = (milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return UUID(int=value)
