"""Storing what is in memory whole: checked, scanned and ready when it returns."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.errors import PayloadTooLarge
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.files import service
from tillhouse.parts.files.domain import HEAD, IMAGES, TAIL, FileRefused, has_second_face, sniff
from tillhouse.parts.files.models import FileRow
from tillhouse.parts.files.ports import FileKind, Pictures, ScannedBy
from tillhouse.parts.files.providers.objects import Objects
from tillhouse.parts.files.service import StoredFile
from tillhouse.parts.files.settings import FilesSettings

MOST_PICTURE = 50_000_000  # bytes of a picture that is written anew: it is in memory whole


@dataclass(frozen=True, slots=True)
class Checked:
    """Bytes that may be stored, as they will be."""

    content: bytes
    media_type: str
    facts: JsonObject


async def store_bytes(
    house: House,
    owner_id: UUID,
    name: str,
    content: bytes,
    *,
    kind: str = "file",
    lifetime: timedelta | None = None,
) -> StoredFile:
    """Store a file; it is ready when this returns. Must not be called in a transaction.

    `kind` names a `FileKind` that some module provides; `lifetime` replaces the kind's own. What is stored may differ
    from `content`: pictures are written anew unless the kind is exact. Bytes that the owner has already are kept once.
    Raises `FileRefused` (with the reason), `PayloadTooLarge` (size or quota), `TransientError`.
    """
    found = service.kind_of(house, kind)
    most = found.most_bytes or house.settings_of(FilesSettings).most_megabytes * 1_000_000
    if len(content) > most:
        raise PayloadTooLarge(N_("This file is larger than {megabytes} MB."), megabytes=most // 1_000_000)
    checked = await check(house, found, content)
    row = service.new_row(owner_id, name, len(checked.content), found, lifetime)
    async with house.database.transaction() as session:
        await service.reserve(session, row, found)
    async with refusing(house, [row.id]):
        return await keep(house, row, checked)


@asynccontextmanager
async def refusing(house: House, file_ids: Sequence[UUID]) -> AsyncIterator[None]:
    """Where storing files fails, nobody goes on with them: they are refused, and take no room. A process that dies here
    leaves them to the sweep.
    """
    try:
        yield
    except Exception:
        async with house.database.transaction() as session:
            for file_id in file_ids:
                await service.refuse(session, file_id, "broken")
        raise


async def check(house: House, kind: FileKind, content: bytes) -> Checked:
    """See what the bytes are, write a picture anew, have all of it scanned. Raises `FileRefused`, `TransientError`."""
    if not content:
        raise FileRefused("empty")
    media_type = check_type(kind, content[:HEAD], content[-TAIL:])
    await scan(house, once(content))
    if kind.exact or media_type not in IMAGES:
        return Checked(content, media_type, {})
    return await rewritten(house, content)


def check_type(kind: FileKind, head: bytes, tail: bytes) -> str:
    """The type of a file by its first and last bytes, where this kind takes it. Raises `FileRefused`."""
    media_type = sniff(head)
    service.check_kind(kind, media_type)
    # A picture that is written anew has one face afterwards; one that cannot be read is refused for that.
    if (kind.exact or media_type not in IMAGES) and has_second_face(head, tail, media_type):
        raise FileRefused("two_faced")
    return media_type


async def rewritten(house: House, content: bytes) -> Checked:
    """A picture written anew. Raises `FileRefused`."""
    if len(content) > MOST_PICTURE:
        raise FileRefused("too_many_pixels")
    most = house.settings_of(FilesSettings).most_megapixels * 1_000_000
    picture = await asyncio.to_thread(house.the(Pictures).load().rewrite, content, most)
    return Checked(picture.content, picture.media_type, {"width": picture.width, "height": picture.height})


async def scan(house: House, content: AsyncIterator[bytes]) -> None:
    """Raises `FileRefused` when a scanner is set and finds something, `TransientError` when it does not answer."""
    for found in house.provided(ScannedBy):
        if await found.scanner.scan(content):
            raise FileRefused("malware")


async def keep(house: House, row: FileRow, checked: Checked) -> StoredFile:
    """Put the bytes of a reserved file where they belong. Raises `TransientError`."""
    digest, size = hashlib.sha256(checked.content).digest(), len(checked.content)
    async with house.database.transaction() as session:
        blob_id, there = await service.begin_blob(session, row.id, row.owner_id, digest, size)
    if not there:
        await house.the(Objects).put(key_of(blob_id), checked.content)
    whole = service.Whole(digest, size, checked.media_type, checked.facts)
    async with house.database.transaction() as session:
        done = await service.finish(session, row.id, blob_id, whole)
    if done is None:
        raise FileRefused("broken")
    return done


def key_of(blob_id: UUID) -> str:
    """Where bytes are; spread, so that no folder holds too many."""
    return f"{blob_id.hex[-2:]}/{blob_id}"


async def once(content: bytes) -> AsyncIterator[bytes]:
    """Bytes in memory as a stream of one piece."""
    yield content
