"""Everything that a person keeps here, as one ZIP that is made while it is read."""

import zipfile
from collections.abc import AsyncIterator
from io import BytesIO, UnsupportedOperation
from uuid import UUID

from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.parts.files import service
from tillhouse.parts.files.flows import reading
from tillhouse.parts.files.service import StoredFile

_AT_ONCE = 100


async def export(house: House, owner_id: UUID) -> AsyncIterator[bytes]:
    """The owner's ready files, stored as they are, about 1 MB in memory at a time. Must not be called in a transaction.

    A file that is deleted meanwhile is left out.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        names: set[str] = set()
        async for found in _files(house, owner_id):
            entry = zipfile.ZipInfo(_unique(found, names), found.created_at.timetuple()[:6])
            try:
                _, pieces = await reading.stream(house, owner_id, found.id)
            except NotFound:
                continue
            with archive.open(entry, "w", force_zip64=True) as out:
                async for piece in pieces:
                    out.write(piece)
                    yield sink.take()
            yield sink.take()
    yield sink.take()


async def _files(house: House, owner_id: UUID) -> AsyncIterator[StoredFile]:
    before: UUID | None = None
    while True:
        async with house.database.reading() as session:
            found = await service.list_of(session, owner_id, _AT_ONCE, before, ready=True)
        for one in found:
            yield one
        if len(found) < _AT_ONCE:
            return
        before = found[-1].id


def _unique(found: StoredFile, names: set[str]) -> str:
    name = found.name
    if name in names:
        stem, dot, ending = name.rpartition(".")
        name = f"{stem}-{found.id}.{ending}" if dot else f"{name}-{found.id}"
    names.add(name)
    return name


class _Sink(BytesIO):
    """Takes what the archive writes and gives it on; it cannot go back, so the archive does not ask it to."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise UnsupportedOperation

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = self.getvalue()
        self.truncate(0)
        self.seek(0)
        return taken
