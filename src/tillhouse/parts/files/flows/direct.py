"""Uploads that go straight to S3, Google Cloud Storage or Azure, under an address signed for one object.

What a stranger wrote there is nothing until it was looked at: the job that takes uploads in reads it, as it reads those
that came through us, and copies it to a place that no signed address reaches. The address outlives the upload that it
was given for, so its row is kept until nothing can come any more, and what came is swept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.files import service, store
from tillhouse.parts.files.flows import uploads
from tillhouse.parts.files.flows.taking_in import direct_key
from tillhouse.parts.files.providers.objects import Objects

LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Direct:
    """Where and how to send the bytes."""

    file_id: UUID
    url: str
    headers: dict[str, str]
    expires_at: datetime


class NoDirectUploads(Conflict):
    """The files of this house lie in a folder, or nobody can be given an address there."""

    code = "no_direct_uploads"


async def begin(house: House, owner_id: UUID, name: str, length: int, kind: str) -> Direct:
    """Reserve room and sign an address for `PUT`. Raises `NoDirectUploads`, and as `uploads.begin` does."""
    objects = house.the(Objects)
    if not objects.signs:
        raise NoDirectUploads(N_("Files are kept by this house itself: send it as a resumable upload instead."))
    upload = await uploads.begin(house, owner_id, name, length, kind=kind, way="direct")
    url = await objects.sign("PUT", direct_key(upload.file_id), LIFETIME)
    return Direct(upload.file_id, url, objects.headers_of_put(), clock.now() + LIFETIME)


async def complete(house: House, owner_id: UUID, file_id: UUID) -> service.StoredFile:
    """The bytes are there: see how many, and have them looked at. Says the same when it is asked again.

    Raises `NotFound`; `Conflict` while nothing has arrived; a wrong length refuses the file.
    """
    async with house.database.reading() as session:
        found = await service.look(session, owner_id, file_id)
        upload = await store.upload(session, file_id, owner_id, "direct")
    if upload is None:
        raise NotFound(N_("There is no such upload, or it is over."))
    if found.state != "uploading":
        return found
    size = await arrived(house, file_id)
    if size is None:
        raise Conflict(N_("Nothing has arrived yet: send the bytes first."))
    async with house.database.transaction() as session:
        if size == upload.length:
            await service.arrived(session, owner_id, file_id)
        else:
            await service.refuse(session, file_id, "size")
        return await service.look(session, owner_id, file_id)


async def arrived(house: House, file_id: UUID) -> int | None:
    """How many bytes lie behind the address of an upload; None for nothing. Raises `TransientError`."""
    try:
        return await house.the(Objects).size(direct_key(file_id))
    except FileNotFoundError:
        return None
