"""Background jobs of files."""

from datetime import timedelta

from tillhouse.kernel.work import Job, Schedule
from tillhouse.parts.files.events import Sweep
from tillhouse.parts.files.flows import sweep

JOBS = (Job(task=Sweep, flow=sweep, schedule=Schedule(every=timedelta(hours=1)), example=Sweep),)
