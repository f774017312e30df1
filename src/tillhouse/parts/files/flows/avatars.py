"""The picture of a person: squares of a few sizes, written anew from whatever a phone sends."""

import asyncio
from uuid import UUID

from tillhouse.kernel.errors import NotFound, PayloadTooLarge
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.files import service, store
from tillhouse.parts.files.domain import HEAD, TAIL, FileRefused
from tillhouse.parts.files.flows import storing
from tillhouse.parts.files.flows.storing import Checked
from tillhouse.parts.files.models import FileRow
from tillhouse.parts.files.ports import Picture, Pictures
from tillhouse.parts.files.providers.objects import Objects
from tillhouse.parts.files.service import StoredFile
from tillhouse.parts.files.settings import FilesSettings
from tillhouse.parts.identity import api as identity

SIDES = (512, 192, 64)
_KIND = "avatar"
_NONE = N_("There is no picture.")


async def set_avatar(house: House, person_id: UUID, content: bytes) -> StoredFile:
    """Make `content` the picture of a person, instead of the one before. Must not be called in a transaction.

    Raises `PayloadTooLarge` (5 MB), `FileRefused`, `TransientError`.
    """
    kind = service.kind_of(house, _KIND)
    if len(content) > (kind.most_bytes or 0):
        raise PayloadTooLarge(N_("This picture is larger than {megabytes} MB."), megabytes=5)
    if not content:
        raise FileRefused("empty")
    storing.check_type(kind, content[:HEAD], content[-TAIL:])
    await storing.scan(house, storing.once(content))
    most = house.settings_of(FilesSettings).most_megapixels * 1_000_000
    squares = await asyncio.to_thread(house.the(Pictures).load().squares, content, most, SIDES)
    first = (await _kept(house, person_id, squares))[0]
    async with house.database.transaction() as session:
        before = await identity.set_picture(session, person_id, first.id)
        if before is not None and await store.file(session, before, person_id) is not None:
            await service.delete(session, person_id, before)
    return first


async def avatar(house: House, person_id: UUID, side: int) -> tuple[StoredFile, bytes]:
    """A person's picture in the smallest size that is no less than `side`. Raises `NotFound`, `TransientError`.

    Who may see whose is for the caller to decide.
    """
    async with house.database.reading() as session:
        picture_id = await identity.picture(session, person_id)
        if picture_id is None:
            raise NotFound(_NONE)
        wanted = min((one for one in SIDES if one >= side), default=SIDES[0])
        others = await service.renditions(session, person_id, picture_id)
        found = next((one.id for one in others if one.rendition == str(wanted)), picture_id)
        stored, blob_id = await service.blob_of(session, person_id, found)
    return stored, await house.the(Objects).get(storing.key_of(blob_id))


async def remove_avatar(house: House, person_id: UUID) -> None:
    """Take a person's picture away. Raises `NotFound` where there is none."""
    async with house.database.transaction() as session:
        before = await identity.set_picture(session, person_id, None)
        if before is None:
            raise NotFound(_NONE)
        await service.delete(session, person_id, before)


async def _kept(house: House, person_id: UUID, squares: tuple[Picture, ...]) -> list[StoredFile]:
    """The squares as files, the largest first and the others as renditions of it."""
    kind, rows = service.kind_of(house, _KIND), list[FileRow]()
    for square in squares:
        row = service.new_row(person_id, f"avatar-{square.width}.webp", len(square.content), kind, None)
        if rows:
            row.parent_id, row.rendition = rows[0].id, str(square.width)
        rows.append(row)
    async with house.database.transaction() as session:
        for row in rows:
            await store.add_file(session, row)
    async with storing.refusing(house, [row.id for row in rows]):
        return [
            await storing.keep(house, row, Checked(square.content, square.media_type, {"width": square.width}))
            for row, square in zip(rows, squares, strict=True)
        ]
