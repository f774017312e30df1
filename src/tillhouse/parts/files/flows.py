"""Moving bytes: between transactions, never inside one."""

import hashlib
from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import Transactions
from tillhouse.kernel.errors import FieldError, InvalidInput, NotFound, PayloadTooLarge
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import JobRun
from tillhouse.parts.files import service, store
from tillhouse.parts.files.domain import sniff, tidy_name
from tillhouse.parts.files.events import Sweep
from tillhouse.parts.files.models import FileRow
from tillhouse.parts.files.providers.objects import Objects
from tillhouse.parts.files.service import StoredFile
from tillhouse.parts.files.settings import FilesSettings

_UNFINISHED = timedelta(hours=1)  # no upload takes so long
_AT_ONCE = 500


async def store_file(house: House, owner_id: UUID, name: str, content: bytes) -> StoredFile:
    """Store a file: the row first, then the bytes, then the row says so. Must not be called in a transaction.

    Raises `InvalidInput` for an empty file, `PayloadTooLarge`, `TransientError`.
    """
    _check(house, content)
    now = clock.now()
    row = FileRow(
        id=new_id(),
        owner_id=owner_id,
        name=tidy_name(name),
        media_type=sniff(content),
        size=len(content),
        sha256=hashlib.sha256(content).digest(),
        state="pending",
        created_at=now,
        changed_at=now,
    )
    async with house.database.transaction() as session:
        session.add(row)
    await house.the(Objects).put(key_of(row.id), content)
    async with house.database.transaction() as session:
        await store.mark(session, row.id, "pending", "stored", clock.now())
    return service.stored(row)


async def read_file(house: House, owner_id: UUID, file_id: UUID) -> tuple[StoredFile, bytes]:
    """A file of this owner and its bytes. Must not be called in a transaction. Raises `NotFound`, `TransientError`."""
    async with house.database.reading() as session:
        found = await service.find(session, owner_id, file_id)
    try:
        return found, await house.the(Objects).get(key_of(found.id))
    except FileNotFoundError:
        raise NotFound(N_("There is no such file.")) from None


async def sweep(run: JobRun, _task: Sweep) -> None:
    """Remove bytes first and rows after them, so that a crash in between leaves a row to find them by."""
    objects = run.house.the(Objects)
    for file_id in await _waste(run.transaction):
        await objects.delete(key_of(file_id))
        async with run.transaction() as session:
            await store.remove(session, file_id)


def key_of(file_id: UUID) -> str:
    """Where the bytes of a file are; spread, so that no folder holds too many."""
    return f"{file_id.hex[-2:]}/{file_id}"


async def _waste(transaction: Transactions) -> list[UUID]:
    async with transaction() as session:
        return list(await store.waste(session, clock.now() - _UNFINISHED, _AT_ONCE))


def _check(house: House, content: bytes) -> None:
    most = house.settings_of(FilesSettings).most_megabytes
    if not content:
        message = N_("This file is empty.")
        raise InvalidInput(message, errors=[FieldError("/file", "empty", message)])
    if len(content) > most * 1_000_000:
        raise PayloadTooLarge(N_("This file is larger than {megabytes} MB."), megabytes=most)
