"""Pure rules of channels: which status may follow which."""

from typing import Literal

Channel = Literal["email", "sms"]
Status = Literal["queued", "unknown", "sent", "delivered", "failed"]

# A message only ever goes forward. `unknown`: handed over, and nobody knows whether it was taken.
_RANK: dict[str, int] = {"queued": 0, "unknown": 1, "sent": 2, "delivered": 3, "failed": 3}

_TWILIO: dict[str, Status] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}


def may_follow(before: str, after: Status) -> bool:
    """Whether a message that is `before` may become `after`; late and repeated reports change nothing."""
    return _RANK[after] > _RANK[before]


def status_of_twilio(word: str) -> Status | None:
    """Our word for Twilio's; None for one that says no more than that Twilio has the message."""
    return _TWILIO.get(word)
