"""Reading, whole or in part: the owner is checked, then the bytes flow with no transaction open."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.files import service
from tillhouse.parts.files.flows.storing import key_of
from tillhouse.parts.files.providers.objects import Objects
from tillhouse.parts.files.service import StoredFile

_NO_FILE = N_("There is no such file.")


@dataclass(frozen=True, slots=True)
class Link:
    """An address under which whoever has it reads one file, until `expires_at` or until the file is deleted."""

    url: str
    expires_at: datetime


async def read_bytes(house: House, owner_id: UUID, file_id: UUID) -> tuple[StoredFile, bytes]:
    """A file of this owner and its bytes. Must not be called in a transaction. Raises `NotFound`, `TransientError`."""
    found, blob_id = await _find(house, owner_id, file_id)
    try:
        return found, await house.the(Objects).get(key_of(blob_id))
    except FileNotFoundError:
        raise NotFound(_NO_FILE) from None


async def stream(
    house: House, owner_id: UUID, file_id: UUID, start: int = 0, end: int | None = None
) -> tuple[StoredFile, AsyncIterator[bytes]]:
    """A file of this owner and its bytes from `start` up to, not with, `end`, about 1 MB in memory at a time.

    Must not be called in a transaction. Raises `NotFound`, `TransientError`.
    """
    found, blob_id = await _find(house, owner_id, file_id)
    try:
        return found, await house.the(Objects).stream(key_of(blob_id), start, end)
    except FileNotFoundError:
        raise NotFound(_NO_FILE) from None


async def link(session: ReadSession, owner_id: UUID, file_id: UUID, lifetime: timedelta) -> Link:
    """A link to a file of this owner for whoever is given it: a player, a provider that fetches, a payer's browser.

    It reads that one file, with ranges, until it expires. Raises `NotFound`.
    """
    found = await service.find(session, owner_id, file_id)
    expires_at = (clock.now() + lifetime).replace(microsecond=0)
    house = house_of(session)
    token = _token(house, owner_id, found.id, expires_at)
    return Link(house.settings.address(f"/api/v1/files/shared/{token}"), expires_at)


def shared(house: House, token: str) -> tuple[UUID, UUID]:
    """The owner and file that a link speaks of. Raises `NotFound` for one that is over or not ours."""
    try:
        body = base64.urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4))
    except ValueError:
        raise NotFound(_NO_FILE) from None
    said, seal = body[:40], body[40:]
    if len(said) != 40 or not hmac.compare_digest(seal, _seal(house, said)):
        raise NotFound(_NO_FILE)
    if int.from_bytes(said[32:]) <= clock.now().timestamp():
        raise NotFound(N_("This link is over. Ask for a new one."))
    return UUID(bytes=said[:16]), UUID(bytes=said[16:32])


def _token(house: House, owner_id: UUID, file_id: UUID, expires_at: datetime) -> str:
    said = owner_id.bytes + file_id.bytes + int(expires_at.astimezone(UTC).timestamp()).to_bytes(8)
    return base64.urlsafe_b64encode(said + _seal(house, said)).rstrip(b"=").decode()


def _seal(house: House, said: bytes) -> bytes:
    key = hashlib.sha256(b"files.link\0" + house.settings.secret_key.encode()).digest()
    return hmac.new(key, said, hashlib.sha256).digest()


async def _find(house: House, owner_id: UUID, file_id: UUID) -> tuple[StoredFile, UUID]:
    async with house.database.reading() as session:
        return await service.blob_of(session, owner_id, file_id)
