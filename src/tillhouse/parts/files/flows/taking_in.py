"""What becomes of an upload that is whole: hashed, looked at, scanned, stored once, and only then to be read.

Bytes are read twice and never held: first they are hashed and scanned, then written where they stay.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import JobRun
from tillhouse.parts.files import service, store
from tillhouse.parts.files.domain import HEAD, IMAGES, TAIL, FileRefused
from tillhouse.parts.files.events import TakeIn
from tillhouse.parts.files.flows import storing, uploads
from tillhouse.parts.files.models import FileRow, UploadRow
from tillhouse.parts.files.ports import FileKind
from tillhouse.parts.files.providers.objects import Objects

_CHANGED = N_("This file changed while it was read. It is looked at again.")


async def take_in(run: JobRun, task: TakeIn) -> None:
    """Make a file of an upload, or refuse it with a reason. Safe to run twice."""
    house = run.house
    async with house.database.reading() as session:
        row, upload = await store.file_by_id(session, task.file_id), await store.upload_by_id(session, task.file_id)
    if row is None or upload is None or row.state not in ("scanning", "processing"):
        return
    try:
        await _make(house, row, upload)
    except FileRefused as refusal:
        async with house.database.transaction() as session:
            await service.refuse(session, task.file_id, refusal.reason)
    await uploads.discard(house, task.file_id)


async def give_up(session: Session, task: TakeIn) -> None:
    """The job was tried often enough: the person is told to send the file again."""
    await service.refuse(session, task.file_id, "broken")


async def _make(house: House, row: FileRow, upload: UploadRow) -> None:
    kind = service.kind_of(house, row.kind)
    source = await _Source.of(house, upload)
    if upload.way == "direct" and await _size(house, source.keys[0]) != upload.length:
        raise FileRefused("size")  # its address still works: not all of what lies there now need be read
    await storing.scan(house, source.read())  # hashes on the way
    if source.seen == 0:
        async for _ in source.read():  # nobody scans here
            pass
    if source.seen != upload.length:
        raise FileRefused("size")
    media_type = storing.check_type(kind, bytes(source.head), bytes(source.tail))
    async with house.database.transaction() as session:
        if not await store.advance(session, row.id, ("scanning", "processing"), "processing", clock.now()):
            return  # deleted meanwhile
    if media_type in IMAGES and not kind.exact:
        await _picture(house, row, source)
        return
    await _stored(house, row, kind, source, media_type)


async def _picture(house: House, row: FileRow, source: "_Source") -> None:
    if source.seen > storing.MOST_PICTURE:
        raise FileRefused("too_many_pixels")
    digest = source.digest
    content = b"".join([piece async for piece in source.read()])
    if source.digest != digest:
        raise TransientError(_CHANGED)
    checked = await storing.rewritten(house, content)
    await storing.keep(house, row, checked)


async def _stored(house: House, row: FileRow, kind: FileKind, source: "_Source", media_type: str) -> None:
    digest, size = source.digest, source.seen
    async with house.database.transaction() as session:
        blob_id, there = await service.begin_blob(session, row.id, row.owner_id, digest, size)
    if not there:
        async with aclosing(source.read()) as content:
            await house.the(Objects).put_stream(storing.key_of(blob_id), content)
        if source.digest != digest:  # it changed between two readings: a direct upload whose address still works
            raise TransientError(_CHANGED)
    async with house.database.transaction() as session:
        await service.finish(session, row.id, blob_id, service.Whole(digest, size, media_type, {}))


@dataclass
class _Source:
    """The bytes of an upload, in order. What was seen at the last reading: how many, their hash, both ends."""

    house: House
    keys: list[str]
    seen: int = 0
    digest: bytes = b""
    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)

    @classmethod
    async def of(cls, house: House, upload: UploadRow) -> "_Source":
        if upload.way == "direct":
            return cls(house, [direct_key(upload.file_id)])
        async with house.database.reading() as session:
            chunks = await store.chunks(session, upload.file_id)
        return cls(house, [uploads.piece_of(upload.file_id, chunk.object_id) for chunk in chunks])

    async def read(self) -> AsyncGenerator[bytes, None]:
        """All bytes, piece by piece."""
        hasher = hashlib.sha256()
        self.seen, self.head, self.tail = 0, bytearray(), bytearray()
        for key in self.keys:
            async for piece in await self._pieces(key):
                hasher.update(piece)
                self.seen += len(piece)
                if len(self.head) < HEAD:
                    self.head += piece[: HEAD - len(self.head)]
                self.tail = (self.tail + piece)[-TAIL:]
                yield piece
        self.digest = hasher.digest()

    async def _pieces(self, key: str) -> AsyncIterator[bytes]:
        try:
            return await self.house.the(Objects).stream(key)
        except FileNotFoundError:
            raise FileRefused("size") from None


async def _size(house: House, key: str) -> int:
    try:
        return await house.the(Objects).size(key)
    except FileNotFoundError:
        raise FileRefused("size") from None


def direct_key(file_id: UUID) -> str:
    """Where a direct upload puts its bytes."""
    return f"{uploads.folder_of(file_id)}/direct"
