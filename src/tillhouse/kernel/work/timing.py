"""How long things take before someone acts."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Timing:
    """The pace of relay and workers.

    `lease`: how long a worker that falls silent keeps its jobs; `beat`: how often it renews them and hears of cancelled
    ones. `resend`: when a message that no worker acted on is sent again (then after twice as long, and so on).
    `poll`: how often the relay looks when nobody wakes it. `grace`: how long a stopping worker lets its jobs go on.
    """

    lease: timedelta = timedelta(seconds=30)
    beat: timedelta = timedelta(seconds=5)
    resend: timedelta = timedelta(seconds=15)
    poll: timedelta = timedelta(milliseconds=50)
    grace: timedelta = timedelta(seconds=5)
    batch: int = 500
