"""How attempts at jobs end otherwise than done: what is raised, what is kept of it, when the next try is."""

import random
import traceback
from datetime import datetime, timedelta
from pathlib import PurePath

from tillhouse.kernel import clock
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.work.definitions import Cancelled

_FIRST_PAUSE = timedelta(seconds=2)
_LONGEST_PAUSE = timedelta(minutes=15)


class LeaseLost(Exception):
    """Another worker has the job now: what this attempt did in the open transaction is rolled back."""


class GivenUp(Exception):
    """The job is not tried (again)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# What may end an attempt without there being a bug.
EXPECTED = (DomainError, Cancelled, LeaseLost, GivenUp, TimeoutError)


def next_try(attempt: int) -> datetime:
    """When to try again: exponential back-off with full jitter, so that what failed together does not come together."""
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(attempt - 1, 16)))
    return clock.now() + longest * random.random()  # noqa: S311  no secret depends on it


def describe(error: BaseException) -> tuple[str, str]:
    """What may be kept of a failure: its kind, and a sentence without the personal data that a message may hold."""
    if isinstance(error, DomainError):
        return error.code, error.message
    if isinstance(error, GivenUp):
        return error.code, str(error)
    if isinstance(error, Cancelled):
        return "cancelled", ""
    if isinstance(error, TimeoutError):
        return "time_limit", f"took too long, {_place_of(error)}"
    return type(error).__qualname__, _place_of(error)


def _place_of(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f"in {ours[-1].name}, {PurePath(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
