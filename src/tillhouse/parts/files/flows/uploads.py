"""Uploads that resume, as tus 1.0 has them: bytes become objects of a few megabytes, rows say how far it is.

A row of the database is the only truth of the offset, and names the one request that may add to it. So several web
processes serve one upload, and a request whose line went dead cannot write behind the back of its successor.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from starlette.requests import ClientDisconnect

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import Conflict, DomainError, Forbidden, InvalidInput, NotFound, PayloadTooLarge
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.parts.files import service, store
from tillhouse.parts.files.domain import Checksum, FileRefused
from tillhouse.parts.files.models import UploadRow
from tillhouse.parts.files.ports import FileKind
from tillhouse.parts.files.providers.objects import Objects
from tillhouse.parts.files.settings import FilesSettings

_NO_UPLOAD = N_("There is no such upload, or it is over.")


class OffsetMoved(Conflict):
    """The upload is not where the client thinks it is: it asks and goes on from there."""

    code = "offset_moved"


class LineLost(DomainError):
    """The client went away in the middle of a request: nobody reads this but the log."""

    code = "line_lost"
    status = 400


class ChecksumWrong(DomainError):
    """The bytes of this request are not those that the client hashed; none was kept (tus has a status of its own)."""

    code = "checksum_mismatch"
    status = 460


@dataclass(frozen=True, slots=True)
class Upload:
    """How far an upload is."""

    file_id: UUID
    length: int
    received: int
    expires_at: datetime


async def begin(
    house: House, owner_id: UUID, name: str, length: int, *, kind: str = "file", way: str = "tus"
) -> Upload:
    """Reserve room for a file of `length` bytes, of a kind that a person may send.

    Raises `InvalidInput`, `Forbidden`, `PayloadTooLarge`.
    """
    found = _kind_by_person(house, kind)
    settings = house.settings_of(FilesSettings)
    if length == 0:
        raise FileRefused("empty")
    most = found.most_bytes or settings.most_upload_megabytes * 1_000_000
    if length > most:
        raise PayloadTooLarge(N_("This file is larger than {megabytes} MB."), megabytes=most // 1_000_000)
    row = service.new_row(owner_id, name, length, found, None)
    upload = UploadRow(file_id=row.id, way=way, length=length, received=0, writer=None, expires_at=_until(house))
    async with house.database.transaction() as session:
        await service.reserve(session, row, found)
        await store.add_upload(session, upload)
    return _seen(upload)


async def look(house: House, owner_id: UUID, file_id: UUID) -> Upload:
    """How far an upload of this owner is. Whoever was still writing to it can add nothing from here on, so that the
    answer stays true. Raises `NotFound`.
    """
    async with house.database.transaction() as session:
        found = await _mine(session, owner_id, file_id)
        received, until = found.received, _until(house)
        if received < found.length:
            # Read again under the row's lock: a piece may have been counted since.
            received = await store.take_over(session, file_id, None, None, until) or 0
        return Upload(file_id, found.length, received, until)


async def exists(house: House, owner_id: UUID, file_id: UUID) -> None:
    """Raises `NotFound` for an upload that is not this owner's, or is over."""
    async with house.database.reading() as session:
        await _mine(session, owner_id, file_id)


async def add(
    house: House,
    owner_id: UUID,
    file_id: UUID,
    offset: int,
    body: AsyncIterator[bytes],
    *,
    checksum: Checksum | None = None,
) -> Upload:
    """Add the bytes of a request at `offset`; those that came before its line went dead are kept (unless a checksum
    stands for all of them). When the upload is whole, a job makes the file.

    Raises `NotFound`, `OffsetMoved`, `PayloadTooLarge` (more than announced), `ChecksumWrong`, `TransientError`.
    """
    writer = new_id()
    async with house.database.transaction() as session:
        found = await _mine(session, owner_id, file_id)
        if await store.take_over(session, file_id, offset, writer, _until(house)) is None:
            raise OffsetMoved(N_("This upload is at another place: ask where, and go on from there."))
        upload = _seen(found)
    return await _Writing(house, owner_id, upload, offset, writer, checksum).run(body)


async def stop(house: House, owner_id: UUID, file_id: UUID) -> None:
    """End an upload of this owner for good. Raises `NotFound`."""
    async with house.database.transaction() as session:
        await _mine(session, owner_id, file_id)
        await service.delete(session, owner_id, file_id)


async def discard(house: House, file_id: UUID) -> None:
    """Remove the pieces of an upload: the objects first, and their rows after them."""
    await house.the(Objects).delete_all(folder_of(file_id))
    async with house.database.transaction() as session:
        await store.remove_chunks(session, file_id)


def folder_of(file_id: UUID) -> str:
    """Where the pieces of an upload are."""
    return f"uploads/{file_id}"


def piece_of(file_id: UUID, object_id: UUID) -> str:
    """Where one piece of an upload is."""
    return f"{folder_of(file_id)}/{object_id}"


@dataclass
class _Writing:
    """One request that adds bytes: what is in memory, and what is stored but not yet counted."""

    house: House
    owner_id: UUID
    upload: Upload
    at: int  # how far the rows are
    writer: UUID
    checksum: Checksum | None
    _held: bytearray = field(default_factory=bytearray)
    _uncounted: list[tuple[UUID, int]] = field(default_factory=list)

    async def run(self, body: AsyncIterator[bytes]) -> Upload:
        hasher = self.checksum.hasher() if self.checksum else None
        most = self.house.settings_of(FilesSettings).chunk_kilobytes * 1024
        room = self.upload.length - self.at
        try:
            async for piece in body:
                room -= len(piece)
                if room < 0:
                    raise PayloadTooLarge(N_("This is more than the upload announced."))
                if hasher:
                    hasher.update(piece)
                self._held += piece
                if len(self._held) >= most:
                    await self._store()
        except ClientDisconnect:
            await self._keep_what_came()
            raise LineLost(N_("The line was lost. Ask how far the upload is, and go on from there.")) from None
        except asyncio.CancelledError:
            await self._keep_what_came()
            raise
        except PayloadTooLarge:
            await self._forget()
            raise
        if self.checksum and hasher and hasher.digest() != self.checksum.digest:
            await self._forget()
            raise ChecksumWrong(N_("The checksum does not fit the bytes that came. Send them again."))
        await self._store(end=True)
        return Upload(self.upload.file_id, self.upload.length, self.at, _until(self.house))

    async def _keep_what_came(self) -> None:
        """A line went dead: what came over it is kept, unless only all of it could be checked."""
        if self.checksum:
            await self._forget()
            return
        with suppress(DomainError):
            await asyncio.shield(self._store(end=True))

    async def _store(self, *, end: bool = False) -> None:
        """Put what is held into an object and count it; what a checksum stands for is counted at the end, as one."""
        if self._held:
            object_id, content = new_id(), bytes(self._held)
            self._held.clear()
            await self.house.the(Objects).put(piece_of(self.upload.file_id, object_id), content)
            self._uncounted.append((object_id, len(content)))
        if self._uncounted and (end or not self.checksum):
            await self._count()

    async def _count(self) -> None:
        total = sum(size for _, size in self._uncounted)
        async with self.house.database.transaction() as session:
            counted = await store.add_chunks(
                session, self.upload.file_id, self.writer, self.at, self._uncounted, until=_until(self.house)
            )
            if counted:
                self.at += total
                service.tell_progress(session, self.owner_id, self.upload.file_id, self.at)
                if self.at == self.upload.length:
                    await service.arrived(session, self.owner_id, self.upload.file_id)
        if not counted:
            await self._forget()
            raise OffsetMoved(N_("Another request goes on with this upload: ask how far it is."))
        self._uncounted.clear()

    async def _forget(self) -> None:
        """Remove what was stored and never counted; a crash leaves it to the sweep."""
        self._held.clear()
        with suppress(DomainError):
            for object_id, _ in self._uncounted:
                await self.house.the(Objects).delete(piece_of(self.upload.file_id, object_id))
        self._uncounted.clear()


async def _mine(session: ReadSession, owner_id: UUID, file_id: UUID) -> UploadRow:
    found = await store.upload(session, file_id, owner_id, "tus")
    if found is None:
        raise NotFound(_NO_UPLOAD)
    if found.expires_at <= clock.now() and found.received < found.length:
        raise NotFound(_NO_UPLOAD)
    return found


def _kind_by_person(house: House, name: str) -> FileKind:
    found = next((kind for kind in house.provided(FileKind) if kind.name == name), None)
    if found is None:
        raise InvalidInput(N_("There is no such kind of file."))
    if not found.by_person:
        raise Forbidden(N_("Files of this kind are not sent by people."))
    return found


def _until(house: House) -> datetime:
    return (clock.now() + timedelta(hours=house.settings_of(FilesSettings).upload_hours)).replace(microsecond=0)


def _seen(row: UploadRow) -> Upload:
    return Upload(row.file_id, row.length, row.received, row.expires_at)
