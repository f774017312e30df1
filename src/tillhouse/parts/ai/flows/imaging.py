"""Pictures to order: sent, looked at, fetched. A maker may answer late, twice or never; what it says by itself is a
hint, and the truth is read from it.

An order is sent under its own id. Where an answer got lost it is looked up before it is sent again.
"""

import hmac
from collections.abc import Mapping
from urllib.parse import urlencode
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.errors import DomainError, NotFound, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import JobRun, enqueue
from tillhouse.parts.ai.domain.failures import ModelFailure, as_error
from tillhouse.parts.ai.domain.images import OPEN, UNSETTLED, Asked, Photo, Reason, Standing
from tillhouse.parts.ai.events import CancelImages, LookAtImages, StartImages
from tillhouse.parts.ai.models import ImageJobRow
from tillhouse.parts.ai.ports.images import ImageEndpoint
from tillhouse.parts.ai.service import images
from tillhouse.parts.ai.store import images as store
from tillhouse.parts.files import api as files

PICTURE = "ai.picture"
_CALLBACK = "/api/v1/ai/images/callback"


async def start(run: JobRun, task: StartImages) -> None:
    """Send an order, once. Safe to run twice. Raises `TransientError` to be tried again."""
    async with run.transaction() as session:
        row = await store.locked(session, task.image_job_id)
        if row is None or row.state not in OPEN or row.external_id:
            return
        maker = images.maker_of(session, row.endpoint).endpoint
    try:
        asked = await _asked(run.house, row, with_photos=True)
        external_id = await _send(run, maker, row, asked)
    except NotFound:
        await _fail(run, row.id, "photos_gone")
    except ModelFailure as failure:
        if failure.trouble != "refused":
            raise as_error(failure, row.endpoint) from failure
        await _fail(run, row.id, "refused")
    else:
        await _adopt(run, row.id, external_id)


async def look(run: JobRun, task: LookAtImages) -> None:
    """Read from the maker where an order stands, and fetch what is ready. Raises `TransientError`."""
    async with run.transaction() as session:
        row = await store.get(session, task.image_job_id)
        if row is None or row.state not in OPEN:
            return
        maker = images.maker_of(session, row.endpoint).endpoint
    asked = await _asked(run.house, row)
    external_id = row.external_id or task.hint
    if not external_id:
        return
    try:
        standing = await maker.look(asked, external_id)
        if not row.external_id:  # the answer to our order got lost, and the maker tells by itself
            if standing is None or standing.title != str(row.id):
                return
            await _adopt(run, row.id, external_id)
        if standing is None:
            await _fail(run, row.id, "gone")
        elif standing.state == "ready":
            await _deliver(run, maker, row, standing)
        else:
            async with run.transaction() as session:
                if current := await store.locked(session, row.id):
                    await images.moved(session, current, standing.state)
    except ModelFailure as failure:
        if failure.trouble != "refused":
            raise as_error(failure, row.endpoint) from failure
        await _fail(run, row.id, "refused")


async def cancel(run: JobRun, task: CancelImages) -> None:
    """Have the maker stop and forget an order that has ended here. Raises `TransientError`."""
    async with run.transaction() as session:
        row = await store.get(session, task.image_job_id)
        if row is None or row.sent_at is None:
            return
        maker = images.maker_of(session, row.endpoint).endpoint
    asked = await _asked(run.house, row)
    try:
        external_id = row.external_id or await maker.find(asked)
        if external_id:
            await maker.cancel(asked, external_id)
    except ModelFailure as failure:
        raise as_error(failure, row.endpoint) from failure


async def give_up(session: Session, task: StartImages) -> None:
    """An order could not be sent in time, or too often: it fails, and nothing is charged."""
    if row := await store.locked(session, task.image_job_id):
        await images.failed(session, row, "late" if clock.now() >= row.deadline_at else "down")


async def take_callback(session: Session, job_id: UUID, key: str, hint: str) -> None:
    """A maker says that something happened: look. Raises `NotFound` unless `key` is the one that we gave out."""
    row = await store.get(session, job_id)
    secret = house_secret(house_of(session), job_id)
    if not hmac.compare_digest(secret.encode(), key.encode()) or row is None:
        raise NotFound(N_("There is nothing at this address."))
    if row.state in OPEN:
        await enqueue(session, LookAtImages(image_job_id=row.id, hint=hint))


async def _send(run: JobRun, maker: ImageEndpoint, row: ImageJobRow, asked: Asked) -> str:
    if row.sent_at:
        found = await maker.find(asked)
        if found:
            return found
        if clock.now() < row.sent_at + UNSETTLED:
            raise ModelFailure("late", "unsettled")
    async with run.transaction() as session:
        if current := await store.locked(session, row.id):
            current.sent_at = clock.now()
    try:
        return await maker.begin(asked)
    except ModelFailure as failure:
        if failure.trouble in ("not_sent", "busy"):  # certainly nothing has begun
            async with run.transaction() as session:
                if current := await store.locked(session, row.id):
                    current.sent_at = row.sent_at
        raise


async def _adopt(run: JobRun, job_id: UUID, external_id: str) -> None:
    async with run.transaction() as session:
        row = await store.locked(session, job_id)
        if row is None:
            return
        row.external_id = row.external_id or external_id
        await session.flush()
        if row.state not in OPEN:  # cancelled while it was being sent
            await enqueue(session, CancelImages(image_job_id=row.id))


async def _deliver(run: JobRun, maker: ImageEndpoint, row: ImageJobRow, standing: Standing) -> None:
    kept = [await _keep(run.house, maker, row, number, url) for number, url in enumerate(standing.pictures, 1)]
    if row.kind != "tune" and (not kept or None in kept):
        await _fail(run, row.id, "unusable")
        return
    async with run.transaction() as session:
        if current := await store.locked(session, row.id):
            pictures = [one for one in kept if one]
            await images.finished(session, current, pictures, 1 if row.kind == "tune" else len(pictures))


async def _keep(house: House, maker: ImageEndpoint, row: ImageJobRow, number: int, address: str) -> UUID | None:
    """A picture as a file of the owner; what they have already is kept once. None for what is no picture."""
    content = await maker.fetch(address)
    try:
        stored = await files.store_bytes(house, row.owner_id, f"picture-{number}.jpg", content, kind=PICTURE)
    except TransientError:
        raise
    except DomainError:
        return None
    return stored.id


async def _asked(house: House, row: ImageJobRow, *, with_photos: bool = False) -> Asked:
    request, tune = row.request, ""
    if row.tune_id:
        async with house.database.reading() as session:
            parent = await store.get(session, row.tune_id)
            tune = (parent.external_id if parent else None) or ""
    photos: list[Photo] = []
    for number, file_id in enumerate(_list(request.get("photos")) if with_photos else (), 1):
        found, content = await files.read_bytes(house, row.owner_id, UUID(file_id))
        photos.append(Photo(f"photo-{number}", content, found.media_type))
    view = images.view(row)
    return Asked(
        id=row.id,
        kind=view.kind,
        callback=callback_of(house, row.id),
        subject=str(request.get("subject", "")),
        text=str(request.get("text", "")),
        pictures=int(str(request.get("pictures", 0))),
        pack=str(request.get("pack", "")),
        tune=tune,
        photos=photos,
        characteristics=_texts(request.get("characteristics")),
    )


async def _fail(run: JobRun, job_id: UUID, reason: Reason) -> None:
    async with run.transaction() as session:
        if row := await store.locked(session, job_id):
            await images.failed(session, row, reason)


def callback_of(house: House, job_id: UUID) -> str:
    """Where a maker tells of an order. Makers sign nothing: the address holds a key that nobody can guess."""
    query = urlencode({"key": house_secret(house, job_id)})
    return house.settings.address(f"{_CALLBACK}/{job_id}?{query}")


def house_secret(house: House, job_id: UUID) -> str:
    """The key in the address of one order's callback: it follows from the house's own, and is stored nowhere."""
    return hmac.digest(house.settings.secret_key.encode(), b"ai image callback\0" + job_id.bytes, "sha256").hex()


def _list(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _texts(value: object) -> Mapping[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}
