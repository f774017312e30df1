"""Background work: events and jobs that are rows of the business transaction."""

from tillhouse.kernel.work.along import Along
from tillhouse.kernel.work.control import JobView, cancel, dead_jobs, job, jobs, replay
from tillhouse.kernel.work.definitions import (
    AnyHandler,
    AnyJob,
    Cancelled,
    Event,
    Handler,
    Job,
    JobRun,
    Lane,
    Schedule,
    Task,
    event,
    task,
)
from tillhouse.kernel.work.due import fire_schedules, run_due
from tillhouse.kernel.work.outbox import Occurrence, emit, emit_all, enqueue, enqueue_all, occurrence
from tillhouse.kernel.work.running import Ran
from tillhouse.kernel.work.watch import LastCheck, last_check

__all__ = [
    "Along",
    "AnyHandler",
    "AnyJob",
    "Cancelled",
    "Event",
    "Handler",
    "Job",
    "JobRun",
    "JobView",
    "Lane",
    "LastCheck",
    "Occurrence",
    "Ran",
    "Schedule",
    "Task",
    "cancel",
    "dead_jobs",
    "emit",
    "emit_all",
    "enqueue",
    "enqueue_all",
    "event",
    "fire_schedules",
    "job",
    "jobs",
    "last_check",
    "occurrence",
    "replay",
    "run_due",
    "task",
]
