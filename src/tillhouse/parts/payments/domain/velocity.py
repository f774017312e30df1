"""How often and how much may go out within an hour, a day and a week."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

Window = Literal["hour", "day", "week"]
_WINDOWS: dict[Window, timedelta] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
_LIMIT = re.compile(rf"([A-Z_]{{3,12}})=({'|'.join(get_args(Window))}):(\d{{1,9}}):(\d{{1,18}})")
_AMOUNT = re.compile(r"([A-Z_]{3,12})=(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` payouts of together `total` minor units of `currency` within `window`."""

    currency: str
    window: Window
    count: int
    total: int

    @property
    def length(self) -> timedelta:
        return _WINDOWS[self.window]


@dataclass(frozen=True, slots=True)
class Used:
    """What went out within a window, this payout among it. `oldest_age`: how long ago the first of them was."""

    count: int
    total: int
    oldest_age: timedelta


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that a payout is over: in number, or in sum; and when there may be room again."""

    limit: Limit
    what: Literal["count", "total"]
    again_in: timedelta


def parse_limit(text: str) -> Limit:
    """`INR=hour:20:10000000`. Raises `ValueError`."""
    found = _LIMIT.fullmatch(text)
    if not found:
        raise ValueError("write each as INR=hour:20:10000000: currency, hour, day or week, how many, how much")
    window: Window = next(one for one in _WINDOWS if one == found[2])
    return Limit(found[1], window, int(found[3]), int(found[4]))


def parse_amount(text: str) -> tuple[str, int]:
    """`INR=2500000`. Raises `ValueError`."""
    found = _AMOUNT.fullmatch(text)
    if not found:
        raise ValueError("write each as INR=2500000: currency, and minor units of it")
    return found[1], int(found[2])


def excess(limit: Limit, used: Used) -> Excess | None:
    """Whether what is used is over the limit; None while it is within."""
    again_in = max(timedelta(), limit.length - used.oldest_age)
    if used.count > limit.count:
        return Excess(limit, "count", again_in)
    return Excess(limit, "total", again_in) if used.total > limit.total else None


def limits_for(limits: Iterable[str], currency: str) -> list[Limit]:
    """The limits of one currency, the shortest window first."""
    mine = [limit for limit in map(parse_limit, limits) if limit.currency == currency]
    return sorted(mine, key=lambda limit: limit.length)
