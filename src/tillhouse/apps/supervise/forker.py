"""Imported by the process that `Nursery` forks from, and by no other: ends it with the one that started it.

It would end by itself once the supervisor and every fork are gone; the forks are to end with the supervisor.
"""

import os
import signal

from tillhouse.apps import runtime

os.setpgid(0, 0)  # the terminal's Ctrl-C reaches the supervisor alone
runtime.end_with_parent(os.getppid(), signal.SIGTERM)
