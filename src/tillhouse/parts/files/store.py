"""All SQL of files. What is not the owner's is not found: the owner stands in every query of a person."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, cast, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.orm import aliased

from tillhouse.kernel.db import JsonObject, ReadSession, Session, rows_of
from tillhouse.parts.files.models import BlobRow, ChunkRow, FileRow, UploadRow

_GONE = ("deleted", "refused")


async def lock_owner(session: Session, owner_id: UUID) -> None:
    """One at a time may change what an owner has, until the transaction ends: quota and shared bytes stand on it."""
    lock = select(func.pg_advisory_xact_lock(func.hashtextextended(f"files:{owner_id}", 0)))
    await session.execute(lock)


async def file(session: ReadSession, file_id: UUID, owner_id: UUID) -> FileRow | None:
    """A file of this owner in any state but deleted."""
    statement = select(FileRow).where(FileRow.id == file_id, FileRow.owner_id == owner_id, FileRow.state != "deleted")
    return (await session.execute(statement)).scalar_one_or_none()


async def file_by_id(session: ReadSession, file_id: UUID) -> FileRow | None:
    """A file, whoever owns it: for jobs."""
    return await session.get(FileRow, file_id, populate_existing=True)


async def lock_file(session: Session, file_id: UUID) -> FileRow | None:
    """A file, whoever owns it, locked until the transaction ends: for jobs."""
    statement = select(FileRow).where(FileRow.id == file_id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def files_of(
    session: ReadSession,
    owner_id: UUID,
    limit: int,
    before: UUID | None,
    *,
    ready: bool = False,
    kinds: Sequence[str] | None = None,
) -> Sequence[tuple[FileRow, UploadRow | None]]:
    """Files of this owner, newest first, each with its upload while there is one. Renditions are not among them."""
    statement = (
        select(FileRow, UploadRow)
        .outerjoin(UploadRow, UploadRow.file_id == FileRow.id)
        .where(FileRow.owner_id == owner_id, FileRow.parent_id.is_(None))
    )
    statement = statement.where(FileRow.state == "ready" if ready else FileRow.state != "deleted")
    if kinds is not None:
        statement = statement.where(FileRow.kind.in_(kinds))
    if before:
        statement = statement.where(FileRow.id < before)
    found = await session.execute(statement.order_by(FileRow.id.desc()).limit(limit))
    return [(row[0], row[1]) for row in found]


async def renditions(session: ReadSession, owner_id: UUID, file_id: UUID) -> Sequence[FileRow]:
    """The renditions of a file of this owner."""
    statement = select(FileRow).where(
        FileRow.parent_id == file_id, FileRow.owner_id == owner_id, FileRow.state != "deleted"
    )
    return (await session.execute(statement.order_by(FileRow.rendition))).scalars().all()


async def used(
    session: ReadSession, owner_id: UUID, *, without: Sequence[str] = (), only: Sequence[str] | None = None
) -> int:
    """Bytes of files of all kinds but some, or of some: held twice they count once, uploads with all they announced."""
    one = (
        select(func.max(FileRow.size).label("size"))
        .where(
            FileRow.owner_id == owner_id,
            FileRow.parent_id.is_(None),
            FileRow.state.not_in(_GONE),
            FileRow.kind.not_in(without) if only is None else FileRow.kind.in_(only),
        )
        .group_by(func.coalesce(FileRow.blob_id, FileRow.id))
        .subquery()
    )
    return int((await session.execute(select(func.coalesce(func.sum(one.c.size), 0)))).scalar_one())


async def add_file(session: Session, row: FileRow) -> None:
    """Add a file."""
    session.add(row)
    await session.flush()


async def advance(session: Session, file_id: UUID, before: Sequence[str], after: str, at: datetime) -> bool:
    """Move a file from one of some states to another; False when it was in none of them."""
    statement = update(FileRow).where(FileRow.id == file_id, FileRow.state.in_(before))
    return rows_of(await session.execute(statement.values(state=after, changed_at=at))) == 1


class Gone(NamedTuple):
    """A file that was just deleted."""

    file_id: UUID
    owner_id: UUID
    kind: str


async def mark_deleted(session: Session, owner_id: UUID, file_id: UUID, at: datetime) -> Sequence[Gone]:
    """Delete a file of this owner and its renditions, under a name that says nothing."""
    found = or_(FileRow.id == file_id, FileRow.parent_id == file_id)
    return await _mark_deleted(session, at, found, FileRow.owner_id == owner_id)


async def mark_all_deleted(session: Session, owner_ids: Sequence[UUID], at: datetime) -> Sequence[Gone]:
    """Delete every file of these owners, under a name that says nothing."""
    return await _mark_deleted(session, at, FileRow.owner_id == any_(cast(list(owner_ids), ARRAY(Uuid))))


async def mark_expired(session: Session, now: datetime, refused_before: datetime, limit: int) -> Sequence[Gone]:
    """Delete files whose lifetime is over, and what was refused a while ago."""
    over = (
        select(FileRow.id)
        .where(
            FileRow.state != "deleted",
            or_(FileRow.expires_at <= now, (FileRow.state == "refused") & (FileRow.changed_at < refused_before)),
        )
        .limit(limit)
    )
    return await _mark_deleted(session, now, or_(FileRow.id.in_(over), FileRow.parent_id.in_(over)))


async def _mark_deleted(session: Session, at: datetime, *which: ColumnElement[bool]) -> Sequence[Gone]:
    """Those that are gone; of a file and its renditions the file alone."""
    statement = (
        update(FileRow)
        .where(*which, FileRow.state != "deleted")
        .values(state="deleted", reason=None, name="file", facts={}, changed_at=at)
        .returning(FileRow.id, FileRow.owner_id, FileRow.kind, FileRow.parent_id)
    )
    gone = await session.execute(statement)
    return [Gone(row[0], row[1], row[2]) for row in gone if row[3] is None]


async def change_owner(session: Session, before: UUID, after: UUID, at: datetime) -> None:
    """Make all files and bytes of one owner another's; bytes that both have are kept once. Both are locked."""
    theirs, others = aliased(BlobRow), aliased(BlobRow)
    twins = (
        select(theirs.id.label("id"), others.id.label("kept"))
        .join(others, (others.sha256 == theirs.sha256) & (others.owner_id == after) & (others.state == "stored"))
        .where(theirs.owner_id == before, theirs.state == "stored")
        .subquery()
    )
    shared = update(FileRow).where(FileRow.blob_id == twins.c.id).values(blob_id=twins.c.kept)
    spare = update(BlobRow).where(BlobRow.id.in_(select(twins.c.id))).values(state="waste", changed_at=at)
    for statement in (
        shared,
        spare,
        update(BlobRow).where(BlobRow.owner_id == before).values(owner_id=after),
        update(FileRow).where(FileRow.owner_id == before).values(owner_id=after),
    ):
        await session.execute(statement.execution_options(synchronize_session=False))


# Bytes


async def stored_blob(session: ReadSession, owner_id: UUID, sha256: bytes) -> BlobRow | None:
    """The bytes of this owner that hash to `sha256`."""
    statement = select(BlobRow).where(BlobRow.owner_id == owner_id, BlobRow.sha256 == sha256, BlobRow.state == "stored")
    return (await session.execute(statement)).scalar_one_or_none()


async def add_blob(session: Session, row: BlobRow) -> None:
    """Add bytes that are being written."""
    session.add(row)
    await session.flush()


async def mark_blob(session: Session, blob_id: UUID, before: str, after: str, at: datetime) -> bool:
    """Move bytes from one state to another; False when they were not in the first."""
    statement = update(BlobRow).where(BlobRow.id == blob_id, BlobRow.state == before)
    return rows_of(await session.execute(statement.values(state=after, changed_at=at))) == 1


async def blob_is_whole(session: Session, blob_id: UUID, owner_id: UUID, at: datetime) -> bool:
    """Bytes that were being written are stored, as this owner's; False when they were swept away meanwhile."""
    statement = update(BlobRow).where(BlobRow.id == blob_id, BlobRow.state == "writing")
    return rows_of(await session.execute(statement.values(state="stored", owner_id=owner_id, changed_at=at))) == 1


async def hold_blob(session: Session, file_id: UUID, blob_id: UUID) -> None:
    """Let a file that is on its way in hold on to bytes, so that no sweep takes them."""
    statement = update(FileRow).where(FileRow.id == file_id, FileRow.state.in_(("uploading", "scanning", "processing")))
    await session.execute(statement.values(blob_id=blob_id))


async def unneeded_blobs(session: ReadSession, limit: int) -> Sequence[BlobRow]:
    """Stored bytes that deleted files alone still point to."""
    needing, deleted = aliased(FileRow), aliased(FileRow)
    statement = (
        select(BlobRow)
        .join(deleted, (deleted.blob_id == BlobRow.id) & (deleted.state == "deleted"))
        .where(
            BlobRow.state == "stored",
            ~exists().where(needing.blob_id == BlobRow.id, needing.state != "deleted"),
        )
        .limit(limit)
    )
    return (await session.execute(statement)).scalars().unique().all()


async def give_up_blob(session: Session, owner_id: UUID, blob_id: UUID, at: datetime) -> bool:
    """Make stored bytes waste unless a file needs them again. The owner is locked."""
    statement = update(BlobRow).where(
        BlobRow.id == blob_id,
        BlobRow.owner_id == owner_id,
        BlobRow.state == "stored",
        ~exists().where(FileRow.blob_id == BlobRow.id, FileRow.state != "deleted"),
    )
    return rows_of(await session.execute(statement.values(state="waste", changed_at=at))) == 1


async def waste(session: ReadSession, unfinished_before: datetime, limit: int) -> Sequence[UUID]:
    """Bytes to remove: waste, and what was never written to its end."""
    statement = select(BlobRow.id).where(
        BlobRow.state != "stored", or_(BlobRow.state == "waste", BlobRow.changed_at < unfinished_before)
    )
    return (await session.execute(statement.order_by(BlobRow.changed_at).limit(limit))).scalars().all()


async def remove_blob(session: Session, blob_id: UUID) -> None:
    """Remove the row of bytes that are gone, and let the files that were deleted forget them."""
    await session.execute(
        update(FileRow).where(FileRow.blob_id == blob_id, FileRow.state == "deleted").values(blob_id=None)
    )
    await session.execute(delete(BlobRow).where(BlobRow.id == blob_id, BlobRow.state != "stored"))


async def forgettable_files(session: ReadSession, limit: int) -> Sequence[UUID]:
    """Deleted files that have neither bytes nor an upload any more."""
    statement = select(FileRow.id).where(
        FileRow.state == "deleted",
        FileRow.blob_id.is_(None),
        ~exists().where(UploadRow.file_id == FileRow.id),
    )
    return (await session.execute(statement.order_by(FileRow.changed_at).limit(limit))).scalars().all()


async def let_go_of_shared(session: Session) -> None:
    """Deleted files forget bytes that another file needs."""
    needing = aliased(FileRow)
    statement = update(FileRow).where(
        FileRow.state == "deleted",
        FileRow.blob_id.is_not(None),
        exists().where(needing.blob_id == FileRow.blob_id, needing.state != "deleted"),
    )
    await session.execute(statement.values(blob_id=None).execution_options(synchronize_session=False))


async def remove_files(session: Session, ids: Sequence[UUID]) -> None:
    """Remove the rows of deleted files."""
    await session.execute(delete(FileRow).where(FileRow.id.in_(ids), FileRow.state == "deleted"))


# Uploads


async def add_upload(session: Session, row: UploadRow) -> None:
    """Add an upload that has just begun."""
    session.add(row)
    await session.flush()


async def upload(session: ReadSession, file_id: UUID, owner_id: UUID, way: str) -> UploadRow | None:
    """An upload of this owner, also for a while after its file was made: a client may have missed the last answer."""
    statement = (
        select(UploadRow)
        .join(FileRow, FileRow.id == UploadRow.file_id)
        .where(UploadRow.file_id == file_id, FileRow.owner_id == owner_id, UploadRow.way == way)
        .where(FileRow.state.in_(("uploading", "scanning", "processing", "ready")))
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def upload_by_id(session: ReadSession, file_id: UUID) -> UploadRow | None:
    """An upload, whoever owns it: for jobs."""
    return await session.get(UploadRow, file_id)


async def take_over(
    session: Session, file_id: UUID, offset: int | None, writer: UUID | None, until: datetime
) -> int | None:
    """Make `writer` the one that may add bytes, at `offset` (None: wherever it stands). How far it is; None: not there.

    Whoever was writing before can add nothing any more, so that a request that lost its line does not have to be
    waited for.
    """
    statement = update(UploadRow).where(UploadRow.file_id == file_id)
    if offset is not None:
        statement = statement.where(UploadRow.received == offset)
    moved = await session.execute(statement.values(writer=writer, expires_at=until).returning(UploadRow.received))
    return moved.scalar_one_or_none()


async def add_chunks(
    session: Session, file_id: UUID, writer: UUID, start: int, chunks: Sequence[tuple[UUID, int]], *, until: datetime
) -> bool:
    """Add chunks (object and size) at `start`; False when `writer` is no longer the one, or not there."""
    total = sum(size for _, size in chunks)
    statement = update(UploadRow).where(
        UploadRow.file_id == file_id,
        UploadRow.writer == writer,
        UploadRow.received == start,
        exists().where(FileRow.id == file_id, FileRow.state == "uploading"),
    )
    moved = await session.execute(statement.values(received=start + total, expires_at=until))
    if rows_of(moved) != 1:
        return False
    at = start
    rows = []
    for object_id, size in chunks:
        rows.append({"file_id": file_id, "start": at, "size": size, "object_id": object_id})
        at += size
    if rows:
        await session.execute(insert(ChunkRow), rows)
    return True


async def chunks(session: ReadSession, file_id: UUID) -> Sequence[ChunkRow]:
    """The chunks of an upload, in order."""
    statement = select(ChunkRow).where(ChunkRow.file_id == file_id).order_by(ChunkRow.start)
    return (await session.execute(statement)).scalars().all()


async def overdue_uploads(session: ReadSession, now: datetime, limit: int) -> Sequence[UUID]:
    """Uploads that were not finished in time."""
    statement = (
        select(UploadRow.file_id)
        .join(FileRow, FileRow.id == UploadRow.file_id)
        .where(UploadRow.expires_at <= now, FileRow.state == "uploading")
        .limit(limit)
    )
    return (await session.execute(statement)).scalars().all()


async def abandoned_files(session: ReadSession, before: datetime, limit: int) -> Sequence[UUID]:
    """Files that were sent in one request whose process died: uploading since before an instant, without an upload."""
    statement = select(FileRow.id).where(
        FileRow.state == "uploading", FileRow.changed_at < before, ~exists().where(UploadRow.file_id == FileRow.id)
    )
    return (await session.execute(statement.limit(limit))).scalars().all()


async def finished_uploads(session: ReadSession, now: datetime, addresses_over: datetime, limit: int) -> Sequence[UUID]:
    """Uploads that nobody asks about any more: of refused and deleted files at once, of others when their time ends.

    Not while bytes may still come under an address that was given out for one: it was for those begun before
    `addresses_over` alone that it is over.
    """
    statement = (
        select(UploadRow.file_id)
        .join(FileRow, FileRow.id == UploadRow.file_id)
        .where(
            or_(UploadRow.way != "direct", FileRow.created_at < addresses_over),
            or_(FileRow.state.in_(_GONE), (FileRow.state == "ready") & (UploadRow.expires_at <= now)),
        )
        .limit(limit)
    )
    return (await session.execute(statement)).scalars().all()


async def addressed_uploads(session: ReadSession, addresses_over: datetime, limit: int) -> Sequence[UUID]:
    """Uploads of refused and deleted files under whose address bytes may still come."""
    statement = (
        select(UploadRow.file_id)
        .join(FileRow, FileRow.id == UploadRow.file_id)
        .where(UploadRow.way == "direct", FileRow.created_at >= addresses_over, FileRow.state.in_(_GONE))
        .order_by(FileRow.created_at)
        .limit(limit)
    )
    return (await session.execute(statement)).scalars().all()


async def waiting_direct(session: ReadSession, limit: int) -> Sequence[UploadRow]:
    """Direct uploads that nobody has said to be complete."""
    statement = (
        select(UploadRow)
        .join(FileRow, FileRow.id == UploadRow.file_id)
        .where(UploadRow.way == "direct", FileRow.state == "uploading")
        .order_by(UploadRow.expires_at)
        .limit(limit)
    )
    return (await session.execute(statement)).scalars().all()


async def remove_chunks(session: Session, file_id: UUID) -> None:
    """Remove the rows of an upload's chunks."""
    await session.execute(delete(ChunkRow).where(ChunkRow.file_id == file_id))


async def remove_upload(session: Session, file_id: UUID) -> None:
    """Remove an upload and the rows of its chunks."""
    await session.execute(delete(UploadRow).where(UploadRow.file_id == file_id))


async def set_facts(session: Session, file_id: UUID, facts: JsonObject) -> None:
    """Add to what is known of a file."""
    row = await lock_file(session, file_id)
    if row is not None:
        row.facts = {**row.facts, **facts}
        await session.flush()


# Invariants


async def broken_blobs(session: ReadSession) -> Sequence[str]:
    """Ready files whose bytes are not stored, or another owner's."""
    statement = text("""
        SELECT f.id FROM files.files f LEFT JOIN files.blobs b ON b.id = f.blob_id
         WHERE f.state = 'ready'
           AND (b.id IS NULL OR b.state <> 'stored' OR b.owner_id <> f.owner_id OR b.sha256 <> f.sha256)
         LIMIT 100""")
    return [f"file {file_id} is ready without bytes of its owner" for file_id in await session.scalars(statement)]
