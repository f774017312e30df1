"""The SQL of the jobs table.

Leases and the relay's waking are measured by the database's clock, which is one for all machines; when a job is due is
a business instant and comes from `kernel.clock`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Interval, bindparam, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject, ReadSession, Session, rows_of
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work.models import EventRow, JobRow, ScheduleRow
from tillhouse.kernel.work.registry import Registry

UNFINISHED = ("queued", "sent", "running")


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one attempt at a job, for as long as the lease is renewed."""

    id: UUID
    name: str
    payload: JsonObject
    attempt: int
    holder: str
    deadline: datetime | None
    cancel_requested: bool
    request_id: str | None
    unique_key: str | None


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job that a worker should be told of."""

    id: UUID
    name: str
    lane: str


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """How many jobs of one name stand where, and since when the oldest of those that wait has been due."""

    name: str
    lane: str
    waiting: int
    later: int
    running: int
    dead: int
    oldest: datetime | None


async def claim(session: Session, job_id: UUID, holder: str, lease: timedelta) -> Claim | None:
    """Begin an attempt. None when there is nothing to begin: finished, not due yet, or held by another."""
    free = or_(
        JobRow.state == "sent",
        (JobRow.state == "queued") & (JobRow.run_at <= clock.now()),
        (JobRow.state == "running") & (JobRow.wake_at < func.clock_timestamp()),
    )
    statement = (
        update(JobRow)
        .where(JobRow.id == job_id, free)
        .values(
            state="running",
            attempt=JobRow.attempt + 1,
            lease_holder=holder,
            wake_at=func.clock_timestamp() + literal(lease, Interval),
        )
        .returning(
            JobRow.id, JobRow.name, JobRow.payload, JobRow.attempt, JobRow.lease_holder.label("holder"),
            JobRow.deadline, JobRow.cancel_requested, JobRow.request_id, JobRow.unique_key,
        )
    )  # fmt: skip
    row = (await session.execute(statement)).one_or_none()
    return Claim(**row._asdict()) if row else None


# Written out: the partial index on what is not finished is used only where its condition can be read in the query.
_CLAIM_ALONG = text("""
    WITH waiting AS (
        SELECT id
        FROM kernel.jobs
        WHERE state IN ('queued', 'sent') AND name = :name AND attempt = 0 AND run_at <= :now
            AND NOT cancel_requested AND (deadline IS NULL OR deadline > :now)
        ORDER BY wake_at
        LIMIT :most
        FOR UPDATE SKIP LOCKED
    )
    UPDATE kernel.jobs AS job
    SET state = 'running', attempt = 1, lease_holder = leader.lease_holder, wake_at = leader.wake_at
    FROM waiting, kernel.jobs AS leader
    WHERE job.id = waiting.id
        AND leader.id = :leader AND leader.state = 'running'
        AND leader.lease_holder = :holder AND leader.attempt = :attempt
    RETURNING job.id, job.name, job.payload, job.attempt, job.lease_holder AS holder, job.deadline,
        job.cancel_requested, job.request_id, job.unique_key
""").columns(payload=JSONB)


async def claim_along(session: Session, leader: Claim, most: int) -> list[Claim]:
    """Begin the first attempt at up to `most` jobs of the leader's name that wait, under the lease that it has now.

    None while another claims them, and none when the leader's own claim is no longer good.
    """
    found = await session.execute(
        _CLAIM_ALONG,
        {
            "name": leader.name, "now": clock.now(), "most": most,
            "leader": leader.id, "holder": leader.holder, "attempt": leader.attempt,
        },
    )  # fmt: skip
    return [Claim(**row._asdict()) for row in found]


async def finish_along(session: Session, held: Sequence[Claim]) -> bool:
    """Mark as done what was claimed along. False when one of the claims is no longer good: the caller rolls back."""
    return await _change_along(session, held, state="done", finished_at=clock.now(), lease_holder=None) == len(held)


async def retry_along(
    session: Session, held: Sequence[Claim], run_at: datetime, error_code: str, error_message: str
) -> None:
    """Queue the next attempt at what was claimed along, where the claim is still good."""
    await _change_along(
        session, held, state="queued", run_at=run_at, wake_at=run_at, lease_holder=None,
        error_code=error_code, error_message=error_message,
    )  # fmt: skip


async def _change_along(session: Session, held: Sequence[Claim], **values: object) -> int:
    """Change the jobs that one leader claimed along: all are its holder's, and at their first attempt."""
    fence = (
        JobRow.id.in_([one.id for one in held]),
        JobRow.state == "running",
        JobRow.lease_holder == held[0].holder,
        JobRow.attempt == 1,
    )
    return rows_of(await session.execute(update(JobRow).where(*fence).values(**values)))


async def finish(
    session: Session, held: Claim, state: str, *, error_code: str | None = None, error_message: str | None = None
) -> bool:
    """End the job. False, with nothing changed, when the claim is no longer good."""
    return await _change(
        session, held, state=state, finished_at=clock.now(), lease_holder=None,
        error_code=error_code, error_message=error_message,
    )  # fmt: skip


async def retry(session: Session, held: Claim, run_at: datetime, error_code: str, error_message: str) -> bool:
    """Queue the next attempt. False, with nothing changed, when the claim is no longer good."""
    return await _change(
        session, held, state="queued", run_at=run_at, wake_at=run_at, lease_holder=None,
        error_code=error_code, error_message=error_message,
    )  # fmt: skip


async def give_back(session: Session, held: Claim) -> bool:
    """Undo the claim, as if the attempt had not begun."""
    now = clock.now()
    return await _change(
        session, held, state="queued", run_at=now, wake_at=now, lease_holder=None, attempt=JobRow.attempt - 1
    )


async def _change(session: Session, held: Claim, **values: object) -> bool:
    fence = (
        JobRow.id == held.id,
        JobRow.state == "running",
        JobRow.lease_holder == held.holder,
        JobRow.attempt == held.attempt,
    )
    return rows_of(await session.execute(update(JobRow).where(*fence).values(**values))) == 1


async def renew(session: Session, holder: str, ids: Sequence[UUID], lease: timedelta) -> dict[UUID, bool]:
    """Extend the leases of `holder` on these jobs: id → whether it is to be cancelled. A missing one is lost."""
    statement = (
        update(JobRow)
        .where(JobRow.id.in_(ids), JobRow.state == "running", JobRow.lease_holder == holder)
        .values(wake_at=func.clock_timestamp() + literal(lease, Interval))
        .returning(JobRow.id, JobRow.cancel_requested)
    )
    return {row.id: row.cancel_requested for row in await session.execute(statement)}


async def record_progress(session: Session, held: Claim, done: int, total: int, note: str) -> bool:
    """Write how far the job is. False when it is to stop: cancelled, or no longer ours."""
    statement = (
        update(JobRow)
        .where(JobRow.id == held.id, JobRow.state == "running", JobRow.lease_holder == held.holder)
        .values(progress_done=done, progress_total=total, progress_note=note)
        .returning(JobRow.cancel_requested)
    )
    cancelled: bool | None = (await session.execute(statement)).scalar_one_or_none()
    return cancelled is False


async def fan_out(session: Session, registry: Registry, limit: int) -> int:
    """Make the handlers' jobs of events that have none yet: one per event and handler. Returns how many events."""
    statement = (
        select(EventRow)
        .where(EventRow.dispatched_at.is_(None))
        .order_by(EventRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    events = (await session.execute(statement)).scalars().all()
    now = clock.now()
    jobs = [
        {
            "id": new_id(), "name": work.name, "lane": work.lane, "payload": event.payload, "unique_key": str(event.id),
            "request_id": event.request_id, "run_at": now, "wake_at": now, "created_at": now,
        }
        for event in events
        for work in registry.reactions.get(event.name, ())
    ]  # fmt: skip
    if jobs:
        await session.execute(insert(JobRow).on_conflict_do_nothing(), jobs)
    if events:
        await session.execute(
            update(EventRow).where(EventRow.id.in_([event.id for event in events])).values(dispatched_at=now)
        )
    return len(events)


_TAKE_DUE = text("""
    WITH due AS (
        SELECT id, state, sends
        FROM kernel.jobs
        WHERE state IN ('queued', 'sent', 'running') AND wake_at <= clock_timestamp()
        ORDER BY wake_at
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    )
    UPDATE kernel.jobs AS job
    SET state = 'sent',
        lease_holder = NULL,
        sends = CASE due.state WHEN 'sent' THEN due.sends + 1 ELSE 1 END,
        wake_at = clock_timestamp()
            + :resend * CASE due.state WHEN 'sent' THEN power(2, least(due.sends, 6)) ELSE 1 END
    FROM due
    WHERE job.id = due.id
    RETURNING job.id, job.name, job.lane
""").bindparams(bindparam("resend", type_=Interval))


async def take_due(session: Session, limit: int, resend: timedelta) -> list[DueJob]:
    """Mark as sent what is due, what was sent and not begun (after `resend`, then ever longer) and what lost its lease.

    Commit before sending: a crash between the two only means that it is sent again.
    """
    rows = await session.execute(_TAKE_DUE, {"limit": limit, "resend": resend})
    return [DueJob(*row) for row in rows]


async def put_back(session: Session, ids: Sequence[UUID], pause: timedelta) -> None:
    """What could not be sent is due again after `pause`."""
    await session.execute(
        update(JobRow)
        .where(JobRow.id.in_(ids), JobRow.state == "sent")
        .values(state="queued", wake_at=func.clock_timestamp() + literal(pause, Interval))
    )


async def anything_waits(session: ReadSession) -> bool:
    """Whether `fan_out` or `take_due` would find something: one look at two small indexes."""
    event = select(EventRow.id).where(EventRow.dispatched_at.is_(None)).limit(1).exists()
    job = text("SELECT FROM kernel.jobs WHERE state IN ('queued', 'sent', 'running') AND wake_at <= clock_timestamp()")
    found: bool | None = await session.scalar(select(or_(event, text(f"EXISTS ({job})"))))
    return bool(found)


# Written out, since PostgreSQL uses a partial index only where it can read its condition in the query.
_QUEUES = text("""
    SELECT name, lane,
        count(*) FILTER (WHERE state IN ('queued', 'sent') AND run_at <= :now),
        count(*) FILTER (WHERE state = 'queued' AND run_at > :now),
        count(*) FILTER (WHERE state = 'running'),
        count(*) FILTER (WHERE state = 'dead'),
        min(run_at) FILTER (WHERE state IN ('queued', 'sent') AND run_at <= :now)
    FROM kernel.jobs
    WHERE state IN ('queued', 'sent', 'running') OR state = 'dead'
    GROUP BY name, lane
""")


async def queues(session: ReadSession) -> list[QueueFacts]:
    """What is not done, by name and lane. Costs as much as there is of it: two partial indexes."""
    return [QueueFacts(*row) for row in await session.execute(_QUEUES, {"now": clock.now()})]


async def events_waiting(session: ReadSession) -> int:
    """How many events the relay has not made jobs of."""
    statement = select(func.count()).select_from(EventRow).where(EventRow.dispatched_at.is_(None))
    return (await session.execute(statement)).scalar_one()


async def next_due(session: ReadSession) -> UUID | None:
    """The job that has been due longest by `kernel.clock`."""
    statement = (
        select(JobRow.id)
        .where(JobRow.state.in_(("queued", "sent")), JobRow.run_at <= clock.now())
        .order_by(JobRow.run_at, JobRow.id)
        .limit(1)
    )
    found: UUID | None = await session.scalar(statement)
    return found


async def note_fire(session: Session, name: str, fire: datetime) -> bool:
    """Record that a schedule fired for `fire`. True for exactly one caller; a schedule seen first only starts."""
    first = insert(ScheduleRow).values(name=name, fired_at=fire).on_conflict_do_nothing()
    if rows_of(await session.execute(first)):
        return False
    later = update(ScheduleRow).where(ScheduleRow.name == name, ScheduleRow.fired_at < fire).values(fired_at=fire)
    return rows_of(await session.execute(later)) == 1
