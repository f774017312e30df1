"""Writing events and jobs in the business transaction. What commits is done; what rolls back never was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel import clock
from tillhouse.kernel.context import request_id
from tillhouse.kernel.db import JsonObject, ReadSession, Session, after_commit, house_of
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.signals import notifier_of
from tillhouse.kernel.work.definitions import Event, Task
from tillhouse.kernel.work.models import EventRow, JobRow

_JOBS = cast("Table", JobRow.__table__)  # many rows at once go in faster round the ORM
_EVENTS = cast("Table", EventRow.__table__)
WORK_WAITS = "till_work"  # the channel that wakes the relay
HANDLES = "handles"  # where a handler's session keeps the id of its event


async def emit(session: Session, event: Event) -> UUID:
    """Record that something happened; each handler in the house has its effect exactly once after the commit."""
    event_id = new_id()
    await session.execute(
        insert(EventRow).values(
            id=event_id,
            name=event.name,
            payload=payload_of(event),
            request_id=request_id(),
            emitted_at=clock.now(),
        )
    )
    wake_relay(session)
    return event_id


async def emit_all(session: Session, events: Sequence[Event], *, caused_by: Sequence[str | None]) -> None:
    """`emit` for many, in one statement. `caused_by` are the ids of the requests that they go back to."""
    now = clock.now()
    rows = [
        {"id": new_id(), "name": one.name, "payload": payload_of(one), "request_id": cause, "emitted_at": now}
        for one, cause in zip(events, caused_by, strict=True)
    ]
    if rows:
        await session.execute(insert(_EVENTS), rows)
        wake_relay(session)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """When an event happened, and the id that it has for ever: handlers that are run again see the same."""

    id: UUID
    at: datetime


async def occurrence(session: ReadSession) -> Occurrence:
    """The event that the present handler reacts to. Raises `LookupError` outside a handler."""
    row = await session.get(EventRow, session.info[HANDLES]) if HANDLES in session.info else None
    if row is None:
        raise LookupError("this is no handler of an event")
    return Occurrence(row.id, row.emitted_at)


async def enqueue(
    session: Session,
    task: Task,
    *,
    run_at: datetime | None = None,
    unique: str | None = None,
    deadline: datetime | None = None,
) -> UUID | None:
    """Ask for `task` to be done after the commit, at `run_at` or as soon as possible.

    `unique` makes it the only job of that name and key, finished ones included for as long as they are kept; returns
    None when there was one already. A job that is not done by `deadline` is given up (`Job.on_dead`).
    """
    job_id, now = new_id(), clock.now()
    statement = (
        insert(JobRow)
        .values(
            id=job_id,
            name=task.name,
            lane=task.lane,
            payload=payload_of(task),
            unique_key=unique,
            run_at=run_at or now,
            wake_at=run_at or now,
            deadline=deadline,
            created_at=now,
            request_id=request_id(),
        )
        .on_conflict_do_nothing()
        .returning(JobRow.id)
    )
    created = (await session.execute(statement)).scalar_one_or_none()
    if created and (run_at is None or run_at <= now):
        wake_relay(session)
    return created


async def enqueue_all(
    session: Session, tasks: Sequence[Task], *, caused_by: Sequence[str | None], told: Sequence[timedelta] = ()
) -> None:
    """`enqueue` for many, to be done as soon as possible, in one statement. `caused_by` are their requests' ids.

    `told`: after how long a worker is told of each, unless another job has taken it along by then (at once for all,
    where it is not given).
    """
    now = clock.now()
    rows = [
        {
            "id": new_id(),
            "name": task.name,
            "lane": task.lane,
            "payload": payload_of(task),
            "run_at": now,
            "wake_at": now + wait,
            "created_at": now,
            "request_id": cause,
        }
        for task, cause, wait in zip(tasks, caused_by, told or [timedelta()] * len(tasks), strict=True)
    ]
    if rows:
        await session.execute(insert(_JOBS), rows)
        wake_relay(session)


def payload_of(message: Event | Task) -> JsonObject:
    """The message as plain JSON values, ids as strings."""
    payload: JsonObject = to_jsonable_python(vars(message))
    return payload


def wake_relay(session: Session) -> None:
    """Tell the relay after the commit that there is work. Best effort: it also looks by itself."""
    if not session.info.get("wakes_relay"):
        session.info["wakes_relay"] = True
        notifier = notifier_of(house_of(session))
        after_commit(session, lambda: notifier.send(WORK_WAITS))
