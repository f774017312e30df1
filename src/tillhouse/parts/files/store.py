"""All SQL of files."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_, select, update

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.files.models import FileRow


async def stored_file(session: ReadSession, file_id: UUID, owner_id: UUID) -> FileRow | None:
    """A stored file of this owner."""
    statement = select(FileRow).where(FileRow.id == file_id, FileRow.owner_id == owner_id, FileRow.state == "stored")
    return (await session.execute(statement)).scalar_one_or_none()


async def stored_files(session: ReadSession, owner_id: UUID, limit: int, before: UUID | None) -> Sequence[FileRow]:
    """Stored files of this owner, newest first."""
    statement = select(FileRow).where(FileRow.owner_id == owner_id, FileRow.state == "stored")
    if before:
        statement = statement.where(FileRow.id < before)
    return (await session.execute(statement.order_by(FileRow.id.desc()).limit(limit))).scalars().all()


async def mark(session: Session, file_id: UUID, before: str, after: str, at: datetime) -> bool:
    """Move a file from one state to another; False when it was not in the first."""
    statement = update(FileRow).where(FileRow.id == file_id, FileRow.state == before)
    moved = await session.execute(statement.values(state=after, changed_at=at).returning(FileRow.id))
    return moved.scalar_one_or_none() is not None


async def mark_all_deleted(session: Session, owner_id: UUID, at: datetime) -> None:
    """Delete every file of an owner, under a name that says nothing."""
    statement = update(FileRow).where(FileRow.owner_id == owner_id, FileRow.state != "deleted")
    await session.execute(statement.values(state="deleted", name="file", changed_at=at))


async def waste(session: Session, pending_before: datetime, limit: int) -> Sequence[UUID]:
    """Files whose bytes are to go: deleted ones, and those whose storing never finished."""
    statement = select(FileRow.id).where(
        FileRow.state != "stored", or_(FileRow.state == "deleted", FileRow.changed_at < pending_before)
    )
    return (await session.execute(statement.order_by(FileRow.changed_at).limit(limit))).scalars().all()


async def remove(session: Session, file_id: UUID) -> None:
    """Remove the row of a file that is not stored."""
    await session.execute(delete(FileRow).where(FileRow.id == file_id, FileRow.state != "stored"))
