"""Writing events and jobs in the business transaction. What commits is done; what rolls back never was."""

from dataclasses import fields
from datetime import datetime
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel import clock
from tillhouse.kernel.context import request_id
from tillhouse.kernel.db import JsonObject, Session
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work.definitions import Event, Task
from tillhouse.kernel.work.models import EventRow, JobRow


async def emit(session: Session, event: Event) -> UUID:
    """Record that something happened; each handler in the house is called at least once after the commit."""
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
    return event_id


async def enqueue(
    session: Session, task: Task, *, run_at: datetime | None = None, unique: str | None = None
) -> UUID | None:
    """Ask for `task` to be done after the commit, at `run_at` or as soon as possible.

    `unique` makes it the only unfinished or finished job of that name and key; returns None when there was one already.
    """
    job_id = new_id()
    statement = (
        insert(JobRow)
        .values(
            id=job_id,
            name=task.name,
            lane=task.lane,
            payload=payload_of(task),
            unique_key=unique,
            run_at=run_at or clock.now(),
            created_at=clock.now(),
            request_id=request_id(),
        )
        .on_conflict_do_nothing()
        .returning(JobRow.id)
    )
    return (await session.execute(statement)).scalar_one_or_none()


def payload_of(message: Event | Task) -> JsonObject:
    """The message as plain JSON values, ids as strings."""
    payload: JsonObject = to_jsonable_python({field.name: getattr(message, field.name) for field in fields(message)})
    return payload
