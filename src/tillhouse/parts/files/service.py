"""Use cases of files inside one transaction. What is not the caller's own is not found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock, live
from tillhouse.kernel.context import request_id
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, NotFound, PayloadTooLarge, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import emit, emit_all, enqueue
from tillhouse.parts.files import store
from tillhouse.parts.files.domain import MEDIA, FileRefused, tidy_name
from tillhouse.parts.files.events import FileDeleted, FileReady, FileRefusedEvent, Probe, Render, TakeIn
from tillhouse.parts.files.models import BlobRow, FileRow, UploadRow
from tillhouse.parts.files.ports import RENDITION_ENDINGS, FileKind, Rendition
from tillhouse.parts.files.settings import FilesSettings

_NO_FILE = N_("There is no such file.")


class NoRoom(PayloadTooLarge):
    """An owner has as much of one kind of file as it allows."""

    code = "no_room"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is known of a file; `media_type` was read from its bytes.

    `state` is `uploading`, `scanning`, `processing`, `ready` or `refused` (then `reason` is a code of `REASONS`). Only
    a ready one has a hash and can be read. `received`: bytes that have arrived. `facts`: of a recording its duration
    and codecs, of a picture its size.
    """

    id: UUID
    owner_id: UUID
    name: str
    media_type: str
    size: int
    sha256: bytes
    created_at: datetime
    state: str
    reason: str | None
    kind: str
    received: int
    facts: JsonObject
    expires_at: datetime | None
    rendition: str | None


@dataclass(frozen=True, slots=True)
class Whole:
    """Bytes that are stored to their end, and what was found out about them."""

    sha256: bytes
    size: int
    media_type: str
    facts: JsonObject


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes that an owner keeps, of how many."""

    used: int
    most: int


async def find(session: ReadSession, owner_id: UUID, file_id: UUID) -> StoredFile:
    """A file of this owner that can be read. Raises `NotFound`, also for another owner's and for one on its way in."""
    found = await look(session, owner_id, file_id)
    if found.state != "ready":
        raise NotFound(_NO_FILE)
    return found


async def look(session: ReadSession, owner_id: UUID, file_id: UUID) -> StoredFile:
    """A file of this owner in any state: on its way in, ready or refused. Raises `NotFound`."""
    row = await store.file(session, file_id, owner_id)
    if row is None:
        raise NotFound(_NO_FILE)
    return stored(row, await store.upload_by_id(session, file_id) if row.state == "uploading" else None)


async def blob_of(session: ReadSession, owner_id: UUID, file_id: UUID) -> tuple[StoredFile, UUID]:
    """A file of this owner that can be read, and where its bytes are. Raises `NotFound`."""
    row = await store.file(session, file_id, owner_id)
    if row is None or row.state != "ready" or row.blob_id is None:
        raise NotFound(_NO_FILE)
    return stored(row), row.blob_id


async def list_of(
    session: ReadSession,
    owner_id: UUID,
    limit: int,
    before: UUID | None,
    *,
    ready: bool = False,
    kinds: Sequence[str] | None = None,
) -> Sequence[StoredFile]:
    """Files of this owner, newest first: in every state or only the `ready` ones, of all kinds or of `kinds`.

    Renditions are not among them.
    """
    found = await store.files_of(session, owner_id, limit, before, ready=ready, kinds=kinds)
    return [stored(row, upload) for row, upload in found]


async def sent_by(session: ReadSession, owner_id: UUID, limit: int, before: UUID | None) -> Sequence[StoredFile]:
    """Files of the kinds that a person sends by hand, in every state: what their own page and list show."""
    kinds = [kind.name for kind in house_of(session).provided(FileKind) if kind.by_person]
    return await list_of(session, owner_id, limit, before, kinds=kinds)


async def renditions(session: ReadSession, owner_id: UUID, file_id: UUID) -> Sequence[StoredFile]:
    """What was made of a file of this owner, in every state."""
    return [stored(row) for row in await store.renditions(session, owner_id, file_id)]


async def delete(session: Session, owner_id: UUID, file_id: UUID) -> None:
    """Delete a file of this owner, in any state, and its renditions: unreadable at once, gone with the next sweep.

    Raises `NotFound`.
    """
    if await store.file(session, file_id, owner_id) is None:
        raise NotFound(_NO_FILE)
    await _announce_gone(session, await store.mark_deleted(session, owner_id, file_id, clock.now()))
    _tell(session, owner_id, file_id, "deleted")


async def delete_all_of(session: Session, owner_ids: Sequence[UUID]) -> None:
    """Delete every file of these owners, of every kind and in any state, because the owners themselves go."""
    if owner_ids:
        await _announce_gone(session, await store.mark_all_deleted(session, owner_ids, clock.now()))


async def change_owner(session: Session, before: UUID, after: UUID) -> None:
    """Make every file of one owner another's, because the two turned out to be one. Files keep their ids."""
    for owner_id in sorted((before, after)):
        await store.lock_owner(session, owner_id)
    await store.change_owner(session, before, after, clock.now())


async def erase(session: Session, person_id: UUID, _addresses: Sequence[str]) -> None:
    """Delete every file of a person who is being erased."""
    await delete_all_of(session, [person_id])


async def usage(session: ReadSession, owner_id: UUID) -> Usage:
    """How much of the quota an owner has used, in bytes."""
    house = house_of(session)
    uncounted = [kind.name for kind in house.provided(FileKind) if not kind.counts]
    most = house.settings_of(FilesSettings).quota_megabytes * 1_000_000
    return Usage(await store.used(session, owner_id, without=uncounted), most)


async def room_for(session: ReadSession, owner_id: UUID, kind: str) -> int | None:
    """Bytes that an owner may still add of a kind that has a bound for each owner; None where it has none.

    Raises `LookupError` for a kind that nobody provides.
    """
    return await _room_for(session, owner_id, kind_of(house_of(session), kind))


async def _room_for(session: ReadSession, owner_id: UUID, kind: FileKind) -> int | None:
    most = kind.most_of_owner
    return None if most is None else max(0, most - await store.used(session, owner_id, only=[kind.name]))


async def request_rendition(session: Session, owner_id: UUID, file_id: UUID, rendition: Rendition) -> UUID:
    """Have a recording's thumbnail, its sound for speech recognition (16 kHz, mono, FLAC) or a form that every browser
    plays (MP4) made; the id of the rendition, the same each time. `RenditionReady` tells when it is there.

    Raises `NotFound`; `Conflict` for a file that is no recording.
    """
    found = await find(session, owner_id, file_id)
    if found.rendition is not None or found.media_type not in MEDIA:
        raise Conflict(N_("Only recordings have other forms."))
    await store.lock_owner(session, owner_id)
    for row in await store.renditions(session, owner_id, file_id):
        if row.rendition == rendition and row.state != "refused":
            return row.id
        if row.rendition == rendition:
            await store.mark_deleted(session, owner_id, row.id, clock.now())
    ending = RENDITION_ENDINGS[rendition]
    made = new_row(owner_id, f"{found.name.rpartition('.')[0] or found.name}.{ending}", 0, house_kind("file"), None)
    made.parent_id, made.rendition, made.state, made.kind = file_id, rendition, "processing", found.kind
    made.expires_at = found.expires_at
    await store.add_file(session, made)
    await enqueue(session, Render(file_id=made.id))
    return made.id


# What follows is for the flows of files alone.


def house_kind(name: str) -> FileKind:
    """The kinds that the house has by itself."""
    return _HOUSE_KINDS[name]


def kind_of(house: House, name: str) -> FileKind:
    """The kind of this name. Raises `LookupError`: a module stores a kind that it does not provide."""
    found = next((kind for kind in house.provided(FileKind) if kind.name == name), None)
    if found is None:
        raise LookupError(f"nobody provides a FileKind {name}")
    return found


def new_row(owner_id: UUID, name: str, size: int, kind: FileKind, lifetime: timedelta | None) -> FileRow:
    """A file that is on its way in."""
    now = clock.now()
    life = lifetime or kind.lifetime
    return FileRow(
        id=new_id(),
        owner_id=owner_id,
        name=tidy_name(name),
        media_type="application/octet-stream",
        size=size,
        sha256=None,
        state="uploading",
        created_at=now,
        changed_at=now,
        kind=kind.name,
        reason=None,
        facts={},
        expires_at=now + life if life else None,
    )


async def reserve(session: Session, row: FileRow, kind: FileKind) -> None:
    """Add a file on its way in, unless its owner has no room for it. Raises `PayloadTooLarge`, of a kind `NoRoom`."""
    await store.lock_owner(session, row.owner_id)
    room = await _room_for(session, row.owner_id, kind)
    if room is not None and row.size > room:
        raise NoRoom(
            N_("There is no room for this file: {megabytes} MB of this kind are kept for one owner."),
            megabytes=(kind.most_of_owner or 0) // 1_000_000,
        )
    if kind.counts:
        found = await usage(session, row.owner_id)
        if found.used + row.size > found.most:
            raise PayloadTooLarge(
                N_("There is no room for this file: {used} MB of {most} MB are in use. Delete something first."),
                used=found.used // 1_000_000,
                most=found.most // 1_000_000,
            )
    await store.add_file(session, row)


async def begin_blob(session: Session, file_id: UUID, owner_id: UUID, sha256: bytes, size: int) -> tuple[UUID, bool]:
    """Where the bytes of a file go, and whether they are there already: then the file holds on to them at once."""
    await store.lock_owner(session, owner_id)
    if known := await store.stored_blob(session, owner_id, sha256):
        await store.hold_blob(session, file_id, known.id)
        return known.id, True
    row = BlobRow(id=new_id(), owner_id=owner_id, sha256=sha256, size=size, state="writing", changed_at=clock.now())
    await store.add_blob(session, row)
    return row.id, False


async def finish(session: Session, file_id: UUID, blob_id: UUID, whole: Whole) -> StoredFile | None:
    """Make a file of stored bytes; None when it was deleted meanwhile. Equal bytes of its owner are kept once.

    Raises `TransientError` when the bytes were swept away before they were whole.
    """
    await _lock_owner_of(session, file_id)
    row = await store.lock_file(session, file_id)
    if row is None or row.state in ("refused", "deleted"):
        await store.mark_blob(session, blob_id, "writing", "waste", clock.now())
        return None
    blob_id = await _settle_blob(session, row.owner_id, blob_id, whole.sha256)
    if row.state == "ready":
        return stored(row)
    row.blob_id, row.sha256, row.size, row.media_type = blob_id, whole.sha256, whole.size, whole.media_type
    row.facts, row.changed_at = {**row.facts, **whole.facts}, clock.now()
    kind = kind_of(house_of(session), row.kind)
    row.state = "processing" if kind.playable and row.parent_id is None else "ready"
    await session.flush()
    if row.parent_id is None and whole.media_type in MEDIA:
        await enqueue(session, Probe(file_id=row.id))
    if row.state == "ready":
        await announce(session, row)
    return stored(row)


async def _lock_owner_of(session: Session, file_id: UUID) -> None:
    """Lock whoever owns a file once that is sure: it may have become another's while we waited."""
    locked: UUID | None = None
    while (row := await store.file_by_id(session, file_id)) and row.owner_id != locked:
        locked = row.owner_id
        await store.lock_owner(session, locked)


async def _settle_blob(session: Session, owner_id: UUID, blob_id: UUID, sha256: bytes) -> UUID:
    """The one blob of these bytes; the owner is locked."""
    known, now = await store.stored_blob(session, owner_id, sha256), clock.now()
    if known is None:
        if not await store.blob_is_whole(session, blob_id, owner_id, now):
            raise TransientError(N_("Storing this file took too long. Send it again."))
        return blob_id
    if known.id != blob_id:
        await store.mark_blob(session, blob_id, "writing", "waste", now)  # someone else was as fast
    return known.id


async def announce(session: Session, row: FileRow) -> None:
    """Tell that a file is ready."""
    if row.parent_id is None:
        await emit(session, FileReady(file_id=row.id, owner_id=row.owner_id, kind=row.kind))
    _tell(session, row.owner_id, row.parent_id or row.id, "ready")


async def expire(session: Session, refused_before: datetime, limit: int) -> None:
    """Delete files whose lifetime is over, and what was refused before an instant; so many at most."""
    await _announce_gone(session, await store.mark_expired(session, clock.now(), refused_before, limit))


async def _announce_gone(session: Session, gone: Sequence[store.Gone]) -> None:
    """Tell whoever keeps something that was made of these files."""
    events = [FileDeleted(file_id=one.file_id, owner_id=one.owner_id, kind=one.kind) for one in gone]
    await emit_all(session, events, caused_by=[request_id()] * len(events))


async def refuse(session: Session, file_id: UUID, reason: str) -> None:
    """Take a file no further; its bytes go with the next sweep."""
    row = await store.lock_file(session, file_id)
    if row is None or row.state in ("ready", "refused", "deleted"):
        return
    row.state, row.reason, row.blob_id, row.changed_at = "refused", reason, None, clock.now()
    await session.flush()
    if row.parent_id is None:
        await emit(session, FileRefusedEvent(file_id=row.id, owner_id=row.owner_id, kind=row.kind))
    _tell(session, row.owner_id, row.parent_id or row.id, "refused")


async def arrived(session: Session, owner_id: UUID, file_id: UUID) -> None:
    """An upload is whole: a job makes a file of it."""
    if await store.advance(session, file_id, ("uploading",), "scanning", clock.now()):
        await enqueue(session, TakeIn(file_id=file_id))
        _tell(session, owner_id, file_id, "scanning")


def tell_progress(session: Session, owner_id: UUID, file_id: UUID, received: int) -> None:
    """Tell the owner's pages how far an upload is."""
    live.publish(session, channel(owner_id), {"id": str(file_id), "state": "uploading", "received": received})


def channel(owner_id: UUID) -> str:
    """The live channel on which an owner's files are told of."""
    return f"files:{owner_id}"


def check_kind(kind: FileKind, media_type: str) -> None:
    """Raises `FileRefused` for a type that this kind does not take."""
    if kind.accepts is not None and media_type not in kind.accepts:
        raise FileRefused("type")


def stored(row: FileRow, upload: UploadRow | None = None) -> StoredFile:
    """The row as others see it."""
    return StoredFile(
        id=row.id,
        owner_id=row.owner_id,
        name=row.name,
        media_type=row.media_type,
        size=row.size,
        sha256=row.sha256 or b"",
        created_at=row.created_at,
        state=row.state,
        reason=row.reason,
        kind=row.kind,
        received=upload.received if upload else 0 if row.state == "uploading" else row.size,
        facts=row.facts,
        expires_at=row.expires_at,
        rendition=row.rendition,
    )


def _tell(session: Session, owner_id: UUID, file_id: UUID, state: str) -> None:
    live.publish(session, channel(owner_id), {"id": str(file_id), "state": state})


AVATAR_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/heic", "image/avif"})
_HOUSE_KINDS = {
    "file": FileKind(name="file", by_person=True),
    "avatar": FileKind(name="avatar", accepts=AVATAR_TYPES, most_bytes=5_000_000, counts=False),
}
