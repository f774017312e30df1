"""Use cases of files inside one transaction. What is not the caller's own is not found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.text import N_
from tillhouse.parts.files import store
from tillhouse.parts.files.models import FileRow


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is known of a stored file; `media_type` was read from its bytes."""

    id: UUID
    owner_id: UUID
    name: str
    media_type: str
    size: int
    sha256: bytes
    created_at: datetime


async def find(session: ReadSession, owner_id: UUID, file_id: UUID) -> StoredFile:
    """A file of this owner. Raises `NotFound`, also for another owner's."""
    row = await store.stored_file(session, file_id, owner_id)
    if row is None:
        raise NotFound(N_("There is no such file."))
    return stored(row)


async def list_of(session: ReadSession, owner_id: UUID, limit: int, before: UUID | None) -> Sequence[StoredFile]:
    """Files of this owner, newest first."""
    return [stored(row) for row in await store.stored_files(session, owner_id, limit, before)]


async def delete(session: Session, owner_id: UUID, file_id: UUID) -> None:
    """Delete a file of this owner; its bytes go with the next sweep. Raises `NotFound`."""
    await find(session, owner_id, file_id)
    await store.mark(session, file_id, "stored", "deleted", clock.now())


async def erase(session: Session, person_id: UUID, _addresses: Sequence[str]) -> None:
    """Delete every file of a person who is being erased."""
    await store.mark_all_deleted(session, person_id, clock.now())


def stored(row: FileRow) -> StoredFile:
    """The row as others see it."""
    return StoredFile(row.id, row.owner_id, row.name, row.media_type, row.size, row.sha256, row.created_at)
