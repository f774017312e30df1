"""The rules of webhooks: Standard Webhooks signatures, when to try again, and what an answer means.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal
from uuid import UUID

from tillhouse.kernel.db import JsonObject

EndpointStatus = Literal["enabled", "paused", "disabled"]
DisabledReason = Literal["gone", "failing", "key_revoked"]
DeliveryState = Literal["pending", "delivered", "dead"]

EVERYTHING = "*"
TEST = "webhook.test"
TIMEOUT_SECONDS = 15
SLOW_SECONDS = 3  # an endpoint whose last try took longer shares a few places with the others of its kind
KEPT_OF_ANSWER = 2048  # bytes
OVERLAP = timedelta(hours=24)  # how long the former secret still signs after a rotation

# Pauses before each try after the first, the standard's own: more than 31 hours in all, so that a receiver that was
# away for a whole day misses nothing.
_PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
)
MOST_TRIES = len(_PAUSES) + 1
_JITTER = 0.2  # at most so much of a pause is added, so that what failed together does not come back together
_LONGEST_WAIT = timedelta(hours=24)

_PREFIX = "whsec_"
_SECRET_BYTES = 32  # the standard allows 24 to 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try ended: the answer's status, or why there was none. `wait` is what the receiver asked for.

    `slow`: it took so long that a row of them would keep a worker from other work.
    """

    status: int | None
    error: str | None = None
    answer: str = ""
    wait: timedelta | None = None
    slow: bool = False

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        return self.status == 410


def new_secret() -> str:
    """A secret as the standard writes it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def message_body(type: str, at: datetime, data: JsonObject) -> str:  # noqa: A002  the standard's word
    """The payload: written once, so that every try sends the same bytes."""
    stamp = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"type": type, "timestamp": stamp, "data": data}, separators=(",", ":"), ensure_ascii=False)


def signed_headers(message_id: UUID, at: datetime, body: str, keys: Sequence[str]) -> dict[str, str]:
    """The three headers of the standard: one signature for each secret that is good at the moment, newest first."""
    timestamp = str(int(at.timestamp()))
    content = f"{message_id}.{timestamp}.{body}".encode()
    return {
        "webhook-id": str(message_id),
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_signature(key, content)}" for key in keys),
    }


def next_pause(tries: int, outcome: Outcome, chance: float) -> timedelta | None:
    """How long to wait after the try number `tries` failed; None to give up. `chance` is 0 to 1, for the jitter."""
    if tries >= MOST_TRIES:
        return None
    pause = _PAUSES[tries - 1] * (1 + _JITTER * chance)
    asked = min(outcome.wait, _LONGEST_WAIT) if outcome.wait else timedelta(0)
    return max(pause, asked)


def wait_asked_for(status: int, retry_after: str | None, now: datetime) -> timedelta | None:
    """What `Retry-After` says, in seconds or as a date; heeded with the two statuses that mean "later"."""
    if status not in (429, 503) or not retry_after:
        return None
    if re.fullmatch(r"[0-9]{1,9}", retry_after.strip()):
        return timedelta(seconds=int(retry_after))
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(until.replace(tzinfo=until.tzinfo or UTC) - now, timedelta(0))


def readable(answer: bytes) -> str:
    """What is kept of an answer: text, whatever it was."""
    return answer[:KEPT_OF_ANSWER].decode("utf-8", errors="replace").replace("\0", "�")


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
