"""What staff can do about jobs: look, replay what died, cancel what is no longer wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select, update

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.text import N_
from tillhouse.kernel.work.models import JobRow
from tillhouse.kernel.work.outbox import wake_relay

State = Literal["queued", "sent", "running", "done", "dead", "cancelled"]


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as people see it. The payload holds ids alone."""

    id: UUID
    name: str
    lane: str
    state: str
    attempt: int
    payload: dict[str, object]
    run_at: datetime
    deadline: datetime | None
    cancel_requested: bool
    progress_done: int | None
    progress_total: int | None
    progress_note: str | None
    error_code: str | None
    error_message: str | None
    request_id: str | None
    created_at: datetime
    finished_at: datetime | None


async def jobs(session: ReadSession, *, state: State | None = None, name: str = "", limit: int = 100) -> list[JobView]:
    """Jobs, newest first, of one state and one name where given."""
    statement = select(JobRow).order_by(JobRow.id.desc()).limit(limit)
    if state:
        statement = statement.where(JobRow.state == state)
    if name:
        statement = statement.where(JobRow.name == name)
    return [_view(row) for row in (await session.execute(statement)).scalars()]


async def dead_jobs(session: ReadSession, *, limit: int = 100) -> list[JobView]:
    """The dead-letter list, latest death first."""
    statement = select(JobRow).where(JobRow.state == "dead").order_by(JobRow.finished_at.desc()).limit(limit)
    return [_view(row) for row in (await session.execute(statement)).scalars()]


async def job(session: ReadSession, job_id: UUID) -> JobView:
    """One job. Raises `NotFound`."""
    row = await session.get(JobRow, job_id, populate_existing=True)
    if row is None:
        raise NotFound(N_("There is no such job."))
    return _view(row)


async def replay(session: Session, job_id: UUID) -> None:
    """Give a dead or cancelled job all its attempts again, without a deadline. Raises `NotFound`, `Conflict`."""
    now = clock.now()
    statement = (
        update(JobRow)
        .where(JobRow.id == job_id, JobRow.state.in_(("dead", "cancelled")))
        .values(
            state="queued", attempt=0, sends=0, run_at=now, wake_at=now, finished_at=None, deadline=None,
            cancel_requested=False,
        )
        .returning(JobRow.id)
    )  # fmt: skip
    if (await session.execute(statement)).scalar_one_or_none() is None:
        await _refuse(session, job_id, ("dead", "cancelled"))
    wake_relay(session)


async def cancel(session: Session, job_id: UUID) -> None:
    """Ask for a job to be cancelled: one that waits never runs, one that runs is stopped at its next pause.

    Its worker writes the end, after `Job.on_dead` has found the way back. Raises `NotFound`, `Conflict` when finished.
    """
    now = clock.now()
    statement = (
        update(JobRow)
        .where(JobRow.id == job_id, JobRow.finished_at.is_(None))
        .values(cancel_requested=True)
        .returning(JobRow.state)
    )
    state = (await session.execute(statement)).scalar_one_or_none()
    if state is None:
        await _refuse(session, job_id, ("queued", "sent", "running"))
    waits = update(JobRow).where(JobRow.id == job_id, JobRow.state == "queued")
    await session.execute(waits.values(run_at=func.least(JobRow.run_at, now), wake_at=func.least(JobRow.wake_at, now)))
    wake_relay(session)


async def _refuse(session: ReadSession, job_id: UUID, expected: Sequence[str]) -> None:
    found = await job(session, job_id)
    raise Conflict(
        N_("This job is {state}; only one that is {expected} can be changed so."),
        state=found.state,
        expected=", ".join(expected),
    )


def _view(row: JobRow) -> JobView:
    return JobView(**{name: getattr(row, name) for name in JobView.__dataclass_fields__})
