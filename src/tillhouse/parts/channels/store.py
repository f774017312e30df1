"""All SQL of channels."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from tillhouse.kernel.db import Session
from tillhouse.parts.channels.models import MessageRow


async def lock_message(session: Session, message_id: UUID) -> MessageRow | None:
    """A message by id, locked."""
    statement = select(MessageRow).where(MessageRow.id == message_id).with_for_update()
    return (await session.execute(statement)).scalar_one_or_none()


async def delete_addressed(session: Session, addresses: Sequence[str]) -> None:
    """Delete every message to these addresses."""
    await session.execute(delete(MessageRow).where(MessageRow.address.in_(addresses)))


async def delete_before(session: Session, instant: datetime) -> None:
    """Delete messages made before `instant`."""
    await session.execute(delete(MessageRow).where(MessageRow.created_at < instant))
