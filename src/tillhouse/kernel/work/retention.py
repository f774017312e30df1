"""What is finished is forgotten after a while, in small bites, so that the tables stay as small as the work at hand."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CTE, delete, or_, select

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session, rows_of
from tillhouse.kernel.idempotency import forget_old_keys
from tillhouse.kernel.work.definitions import AnyJob, Job, JobRun, Schedule, Task, task
from tillhouse.kernel.work.models import EventRow, JobRow

FINISHED_KEPT_FOR = timedelta(days=14)
DEAD_KEPT_FOR = timedelta(days=90)
_BITE = 2_000


@task("kernel.forget_finished_work", lane="slow")
class ForgetFinishedWork(Task):
    """Delete finished jobs, dispatched events and old idempotency keys."""


async def forget_finished_work(run: JobRun, _task: ForgetFinishedWork) -> None:
    """Delete in transactions of at most 2,000 rows, so that nobody waits for it."""
    for forget in (_forget_jobs, _forget_events, forget_old_keys):
        while True:
            async with run.transaction() as session:
                if await forget(session) < _BITE:
                    break


async def _forget_jobs(session: Session) -> int:
    now = clock.now()
    over = or_(
        JobRow.state.in_(("done", "cancelled")) & (JobRow.finished_at < now - FINISHED_KEPT_FOR),
        (JobRow.state == "dead") & (JobRow.finished_at < now - DEAD_KEPT_FOR),
    )
    bite = select(JobRow.id).where(JobRow.id < _first_id(now - FINISHED_KEPT_FOR), over).limit(_BITE).cte()
    return await _delete(session, JobRow, bite)


async def _forget_events(session: Session) -> int:
    bound = _first_id(clock.now() - FINISHED_KEPT_FOR)
    bite = select(EventRow.id).where(EventRow.id < bound, EventRow.dispatched_at.is_not(None)).limit(_BITE).cte()
    return await _delete(session, EventRow, bite)


async def _delete(session: Session, table: type[JobRow] | type[EventRow], bite: CTE) -> int:
    return rows_of(await session.execute(delete(table).where(table.id.in_(select(bite.c.id)))))


def _first_id(instant: datetime) -> UUID:
    """The smallest version 7 id of that millisecond: ids grow with time, so that the primary key finds what is old."""
    return UUID(int=(int(instant.timestamp() * 1000) << 80))


RETENTION_JOBS: tuple[AnyJob, ...] = (
    Job(
        task=ForgetFinishedWork,
        flow=forget_finished_work,
        schedule=Schedule(every=timedelta(hours=1)),
        time_limit=timedelta(minutes=30),
        example=ForgetFinishedWork,
    ),
)
