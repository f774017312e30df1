"""When a worker is told of what comes in, so that what comes at the same time goes in company."""

import math
import time
from datetime import timedelta

from tillhouse.kernel.work import Task

COMPANY = timedelta(milliseconds=200)  # for which a task may wait for a job that takes it along


class Bell:
    """Has a worker told of one task of a kind at once and then of none for a moment: that one's job takes along what
    has come by then. Only what it did not take is told of.
    """

    def __init__(self) -> None:
        self._rung_at: dict[type[Task], float] = {}

    def wait(self, kind: type[Task]) -> timedelta:
        """After how long a worker is to be told of a task of this kind that comes now."""
        now = time.monotonic()
        if now - self._rung_at.get(kind, -math.inf) < COMPANY.total_seconds():
            return COMPANY
        self._rung_at[kind] = now
        return timedelta()
