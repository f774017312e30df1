"""Background work: events and jobs that are rows of the business transaction."""

from tillhouse.kernel.work.definitions import (
    AnyHandler,
    AnyJob,
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
from tillhouse.kernel.work.outbox import emit, enqueue

__all__ = [
    "AnyHandler",
    "AnyJob",
    "Event",
    "Handler",
    "Job",
    "JobRun",
    "Lane",
    "Schedule",
    "Task",
    "emit",
    "enqueue",
    "event",
    "task",
]
