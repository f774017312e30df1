"""Recordings: what is in them, and the forms that are made of them. In a worker, each in a process of its own."""

import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject, Session
from tillhouse.kernel.house import House
from tillhouse.kernel.work import JobRun, emit
from tillhouse.parts.files import service, store
from tillhouse.parts.files.domain import FileRefused
from tillhouse.parts.files.events import Probe, Render, RenditionReady
from tillhouse.parts.files.flows.storing import key_of
from tillhouse.parts.files.models import FileRow
from tillhouse.parts.files.ports import MediaBy, Rendition
from tillhouse.parts.files.providers.objects import Objects

_PIECE = 1 << 20


async def probe(run: JobRun, task: Probe) -> None:
    """Note duration, codecs and size of a recording; refuse one that cannot be played where its kind asks for that.

    A film's thumbnail is asked for in the same breath.
    """
    house = run.house
    async with run.transaction() as session:
        row = await store.file_by_id(session, task.file_id)
    if row is None or row.state not in ("processing", "ready") or row.blob_id is None:
        return
    facts: JsonObject = {}
    with _working() as folder:
        try:
            async with _on_disk(house, row.blob_id, folder) as source:
                facts = await house.the(MediaBy).tool.probe(source, row.media_type)
        except FileNotFoundError:
            return  # deleted and swept meanwhile
        except FileRefused as refusal:
            if row.state == "processing":
                async with run.transaction() as session:
                    await service.refuse(session, row.id, refusal.reason)
                return
    async with run.transaction() as session:
        await store.lock_owner(session, row.owner_id)
        await store.set_facts(session, row.id, facts)
        if await store.advance(session, row.id, ("processing",), "ready", clock.now()):
            await service.announce(session, row)
        if "video" in facts and (await store.file(session, row.id, row.owner_id)) is not None:
            await service.request_rendition(session, row.owner_id, row.id, "thumbnail")


async def render(run: JobRun, task: Render) -> None:
    """Make one rendition. Safe to run twice."""
    house = run.house
    async with run.transaction() as session:
        made = await store.file_by_id(session, task.file_id)
        parent = await store.file_by_id(session, made.parent_id) if made and made.parent_id else None
    if made is None or made.state != "processing" or parent is None or parent.blob_id is None:
        return
    try:
        with _working() as folder:
            async with _on_disk(house, parent.blob_id, folder) as source:
                await _rendered(house, made, parent, source, folder / "made")
    except FileNotFoundError:
        return  # deleted and swept meanwhile
    except FileRefused as refusal:
        async with run.transaction() as session:
            await service.refuse(session, made.id, refusal.reason)


async def give_up_probe(session: Session, task: Probe) -> None:
    """Nothing is known of it; a kind that must be playable has refused it then."""
    await service.refuse(session, task.file_id, "not_playable")


async def give_up_rendition(session: Session, task: Render) -> None:
    """It cannot be made."""
    await service.refuse(session, task.file_id, "broken")


async def _rendered(house: House, made: FileRow, parent: FileRow, source: Path, target: Path) -> None:
    media_type, facts = await house.the(MediaBy).tool.make(_rendition(made), source, parent.media_type, target)
    digest, size = _hash(target)
    async with house.database.transaction() as session:
        blob_id, there = await service.begin_blob(session, made.id, made.owner_id, digest, size)
    if not there:
        await house.the(Objects).put_stream(key_of(blob_id), _read(target))
    async with house.database.transaction() as session:
        done = await service.finish(session, made.id, blob_id, service.Whole(digest, size, media_type, facts))
        if done is not None and made.rendition:
            await emit(session, RenditionReady(file_id=parent.id, owner_id=parent.owner_id, rendition=made.rendition))


def _rendition(row: FileRow) -> Rendition:
    if row.rendition == "thumbnail":
        return "thumbnail"
    return "audio" if row.rendition == "audio" else "stream"


@contextmanager
def _working() -> Iterator[Path]:
    """A folder for what is under work, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="till-media-") as name:
        yield Path(name)


@asynccontextmanager
async def _on_disk(house: House, blob_id: UUID, folder: Path) -> AsyncIterator[Path]:
    """Bytes as a file of this machine: where they lie, or a copy. Raises `FileNotFoundError`."""
    objects = house.the(Objects)
    there = objects.local_path(key_of(blob_id))
    if there is not None:
        if not there.is_file():
            raise FileNotFoundError
        yield there
        return
    copy = folder / "source"
    pieces = await objects.stream(key_of(blob_id))
    with copy.open("wb") as out:
        async for piece in pieces:
            out.write(piece)
    yield copy


def _hash(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as found:
        return hashlib.file_digest(found, "sha256").digest(), path.stat().st_size


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as found:
        while piece := found.read(_PIECE):
            yield piece
