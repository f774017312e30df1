"""Pure rules of messages: channels, purposes, statuses, quiet hours, and the words that mean stop."""

from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Channel = Literal["email", "sms", "whatsapp", "push", "in_app"]
Purpose = Literal["transactional", "marketing"]
Status = Literal["queued", "unknown", "sent", "delivered", "read", "failed"]
WhenUnknown = Literal["leave", "resend", "look_up"]

CHANNELS: tuple[Channel, ...] = ("email", "sms", "whatsapp", "push", "in_app")
PURPOSES: tuple[Purpose, ...] = ("transactional", "marketing")
WINDOW = timedelta(hours=24)  # WhatsApp: free words only for so long after the person's last message
_MARGIN = timedelta(minutes=5)  # what is sent at its last moment may arrive after it

# A message only ever goes forward. `unknown`: handed over, and nobody knows whether it was taken.
_RANK: dict[str, int] = {"queued": 0, "unknown": 1, "sent": 2, "delivered": 3, "failed": 3, "read": 4}

_TWILIO: dict[str, Status] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
_WHATSAPP: dict[str, Status] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
}

# What people write to hear no more, or again, in the languages of the house.
_STOP = frozenset({
    "stop", "stopall", "unsubscribe", "optout", "opt out", "रोकें", "बंद करो", "หยุด", "dừng", "ngừng", "הסר", "הפסק",
})  # fmt: skip
_START = frozenset({"start", "unstop", "शुरू करें", "เริ่ม", "bắt đầu", "התחל"})

# By SMS the carriers act on these too (CTIA's list), whatever they were meant for; elsewhere they are plain words.
_CARRIERS_STOP = frozenset({"cancel", "end", "quit", "revoke", "บอกเลิก", "huỷ"})
_CARRIERS_START = frozenset({"yes", "resume"})


def masked(address: str) -> str:
    """Enough of an address to know it again, not enough to write to it: `as…@example.com`, `+91…45`."""
    name, at, host = address.partition("@")
    if at:
        return f"{name[:2]}…@{host}"
    return f"{address[:3]}…{address[-2:]}" if len(address) > 5 else "…"


def may_follow(before: str, after: Status) -> bool:
    """Whether a message that is `before` may become `after`; late and repeated reports change nothing."""
    return before != "failed" and _RANK[after] > _RANK[before]


def status_of_twilio(word: str) -> Status | None:
    """Our word for Twilio's; None for one that says no more than that Twilio has the message."""
    return _TWILIO.get(word)


def status_of_whatsapp(word: str) -> Status | None:
    """Our word for Meta's; None for one that is not about arriving (`deleted`, `warning`)."""
    return _WHATSAPP.get(word)


def window_closes(last_inbound: datetime | None) -> datetime | None:
    """Until when words of one's own may be sent by WhatsApp; None where nobody has written yet."""
    return last_inbound + WINDOW - _MARGIN if last_inbound else None


def window_is_open(last_inbound: datetime | None, now: datetime) -> bool:
    """Whether words of one's own may be sent by WhatsApp, or only an approved template."""
    closes = window_closes(last_inbound)
    return closes is not None and now < closes


def says_stop(text: str, channel: Channel) -> bool:
    """Whether somebody wants to hear no more; the word alone counts, not a sentence that holds it."""
    said = _bare(text)
    return said in _STOP or (channel == "sms" and said in _CARRIERS_STOP)


def says_start(text: str) -> bool:
    """Whether somebody who has stopped asks to hear from us again. Of others it is a word like any."""
    return _bare(text) in _START


def lifts_stop(text: str, channel: Channel) -> bool:
    """Whether messages reach somebody who has stopped again: they say so, or their carrier takes it for that."""
    return says_start(text) or (channel == "sms" and _bare(text) in _CARRIERS_START)


def may_stop_or_start(text: str) -> bool:
    """Whether this may be a word of that kind, on one channel or another."""
    return says_stop(text, "sms") or lifts_stop(text, "sms")


def not_before(now: datetime, zone: str, quiet_from: int, quiet_to: int) -> datetime:
    """When a message may go that waits for the day: `now`, or the end of the quiet hours in the person's zone.

    `quiet_from` and `quiet_to` are hours of the day, 0 to 23; equal means that there are none.
    """
    local = now.astimezone(ZoneInfo(zone))
    if not _is_quiet(local.hour, quiet_from, quiet_to):
        return now
    day = local.date() + timedelta(days=1 if local.hour >= quiet_to else 0)
    return datetime.combine(day, time(quiet_to), local.tzinfo).astimezone(now.tzinfo)


def _is_quiet(hour: int, start: int, end: int) -> bool:
    if start == end:
        return False
    return start <= hour < end if start < end else hour >= start or hour < end


def _bare(text: str) -> str:
    return " ".join(text.casefold().strip(" \t\n.!?。।").split())
