"""Identifiers: time-ordered UUIDs (RFC 9562, version 7), so that indexes grow at their end."""

import secrets
import time
from uuid import UUID


def new_id() -> UUID:
    """Return a new version 7 UUID: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    value = (
        (milliseconds & ((1 << 48) - 1)) << 80
        | 0x7 << 76
        | (random >> 62) << 64
        | 0b10 << 62
        | random & ((1 << 62) - 1)
    )
    return UUID(int=value)
