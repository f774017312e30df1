"""Orders of pictures: taken, looked at, cancelled, ended. One transaction each; what goes out is in `flows.imaging`."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock, live
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, FieldError, InvalidInput, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import emit, enqueue
from tillhouse.parts.ai.domain.calls import Amounts, Owner, OwnerKind, Use
from tillhouse.parts.ai.domain.failures import ModelUnavailable
from tillhouse.parts.ai.domain.images import (
    MOST_PHOTOS,
    MOST_PICTURES,
    OPEN,
    ImageJob,
    ImageKind,
    ImageOrder,
    ImageState,
    PromptOrder,
    Reason,
    TuneOrder,
    names_models,
    pieces_of,
)
from tillhouse.parts.ai.domain.prices import PriceList
from tillhouse.parts.ai.events import CancelImages, ImagesFailed, ImagesReady, LookAtImages, StartImages
from tillhouse.parts.ai.models import ImageJobRow
from tillhouse.parts.ai.ports.images import InstalledImages
from tillhouse.parts.ai.ports.spending import PlannedCall
from tillhouse.parts.ai.service import metering
from tillhouse.parts.ai.service.metering import Ending
from tillhouse.parts.ai.settings import AISettings
from tillhouse.parts.ai.store import images as store
from tillhouse.parts.files import api as files

_AT_ONCE = 200
_FORGOTTEN = "forgotten"  # in the place of what was asked for
_NO_ORDER = N_("There is no such order of pictures.")


async def order(session: Session, use: Use, wanted: ImageOrder, *, key: str = "") -> ImageJob:
    """Take an order and reserve what it may cost; a job sends it after the commit.

    An owner's `key` that came before changes nothing: the order that was taken for it is returned.
    Raises `InvalidInput`, `NotFound` for photos or a tune that are not the owner's, `ModelUnavailable` where nothing
    makes pictures, and what a guard of spending refuses with.
    """
    owner_id = use.owner.id
    if owner_id is None:
        raise ValueError("pictures are somebody's: the house has no files of its own")
    kind, request = _checked(wanted)
    if key:
        await store.lock_key(session, owner_id, key)
        if taken := await keyed(session, owner_id, key):
            return taken
        request["key"] = key
    if isinstance(wanted, PromptOrder):
        await _ready_tune(session, owner_id, wanted.tune_id)
    else:
        for photo in wanted.photos:
            await files.find(session, owner_id, photo)
    house, now = house_of(session), clock.now()
    maker, settings = maker_of(session), house.settings_of(AISettings)
    deadline = now + timedelta(minutes=settings.image_minutes)
    row = ImageJobRow(
        id=new_id(),
        kind=kind,
        owner_kind=use.owner.kind,
        owner_id=owner_id,
        purpose=use.purpose,
        endpoint=maker.endpoint.name,
        state="queued",
        tune_id=wanted.tune_id if isinstance(wanted, PromptOrder) else None,
        request=request,
        call_id=new_id(),
        pictures=[],
        look_at=now + timedelta(seconds=settings.image_poll_seconds),
        deadline_at=deadline,
        created_at=now,
    )
    await _reserve(session, row, maker, use, pieces_of(wanted))
    await store.add(session, row)
    await enqueue(session, StartImages(image_job_id=row.id), deadline=deadline)
    return view(row)


async def keyed(session: ReadSession, owner_id: UUID, key: str) -> ImageJob | None:
    """The order that was taken of this owner under this key."""
    row = await store.keyed(session, owner_id, key)
    return view(row) if row else None


async def job(session: ReadSession, owner_id: UUID, job_id: UUID) -> ImageJob:
    """An order of this owner. Raises `NotFound`."""
    row = await store.of_owner(session, owner_id, job_id)
    if row is None:
        raise NotFound(_NO_ORDER)
    return view(row)


async def jobs(session: ReadSession, owner_id: UUID, *, before: UUID | None = None, limit: int = 50) -> list[ImageJob]:
    """Orders of this owner, newest first."""
    return [view(row) for row in await store.list_of(session, owner_id, before, limit)]


async def cancel(session: Session, owner_id: UUID, job_id: UUID) -> ImageJob:
    """Stop an order; nothing is charged. Raises `NotFound`, `Conflict` once it has ended."""
    row = await store.locked(session, job_id)
    if row is None or row.owner_id != owner_id:
        raise NotFound(_NO_ORDER)
    if row.state not in OPEN:
        raise Conflict(N_("This order has ended already."))
    await _end(session, row, "cancelled")
    await enqueue(session, CancelImages(image_job_id=row.id))
    return view(row)


async def delete_tune(session: Session, owner_id: UUID, job_id: UUID) -> None:
    """Have the maker forget a tune and the photos behind it: no picture is made of it any more.

    Repeating changes nothing. Raises `NotFound`, and `Conflict` while the order is open.
    """
    row = await store.locked(session, job_id)
    if row is None or row.owner_id != owner_id or row.kind == "prompt":
        raise NotFound(_NO_ORDER)
    if row.state in OPEN:
        raise Conflict(N_("This order is under way: cancel it instead."))
    if not row.request.get(_FORGOTTEN):
        row.request = {name: row.request[name] for name in ("key",) if name in row.request} | {_FORGOTTEN: True}
        await session.flush()
        await enqueue(session, CancelImages(image_job_id=row.id))


async def moved(session: Session, row: ImageJobRow, state: ImageState) -> None:
    """Note that an order has come further; nothing goes back."""
    if row.state in OPEN and OPEN.index(state) > OPEN.index(_state(row)):
        row.state = state
        await session.flush()
        _tell(session, row)


async def finished(session: Session, row: ImageJobRow, pictures: Sequence[UUID], pieces: int) -> None:
    """Note that an order is ready, and charge what was made. An order that has ended meanwhile stays as it is."""
    if row.state in OPEN:
        row.pictures = list(pictures)
        await _end(session, row, "ready", pieces=pieces)
        await emit(session, ImagesReady(image_job_id=row.id, owner_id=row.owner_id))


async def failed(session: Session, row: ImageJobRow, reason: Reason) -> None:
    """Note why an order came to nothing, give back what was reserved, and have the maker stop."""
    if row.state in OPEN:
        await _end(session, row, "failed", reason=reason)
        await emit(session, ImagesFailed(image_job_id=row.id, owner_id=row.owner_id, reason=reason))
        if row.sent_at:
            await enqueue(session, CancelImages(image_job_id=row.id))


async def follow(session: Session) -> int:
    """Have every order looked at whose turn it is, callback or none; end those past their deadline. How many."""
    now, settings = clock.now(), house_of(session).settings_of(AISettings)
    found = await store.due(session, now, _AT_ONCE)
    for row in found:
        if now >= row.deadline_at:
            await failed(session, row, "late")
            continue
        row.look_at = min(now + timedelta(seconds=settings.image_poll_seconds), row.deadline_at)
        if row.external_id:
            await enqueue(session, LookAtImages(image_job_id=row.id))
    await session.flush()
    return len(found)


async def erase(session: Session, person_id: UUID, _addresses: Sequence[str]) -> None:
    """Stop what is open, have makers forget tunes, and forget what was asked for."""
    for row in await store.all_of(session, person_id):
        if row.state in OPEN:
            await _end(session, row, "cancelled")
        if row.sent_at:
            await enqueue(session, CancelImages(image_job_id=row.id))
    await store.empty_requests(session, person_id)


def maker_of(session: ReadSession, name: str = "") -> InstalledImages:
    """The maker of this name, or the first that is set up. Raises `ModelUnavailable`."""
    return maker_in(house_of(session), name)


def maker_in(house: House, name: str = "") -> InstalledImages:
    """As `maker_of`, outside a transaction."""
    for installed in house.provided(InstalledImages):
        if name in ("", installed.endpoint.name):
            return installed
    raise ModelUnavailable(N_("Nothing here can make pictures yet. Ask our staff to set it up."))


def planned(
    house: House, maker: InstalledImages, use: Use, kind: ImageKind, pieces: int, *, call_id: UUID
) -> PlannedCall:
    """What an order of so many pieces is to those who guard spending. Raises `NoPrice`."""
    prices, model = house.the(PriceList), maker.model(kind)
    return PlannedCall(
        id=call_id,
        kind="image",
        owner=use.owner,
        purpose=use.purpose,
        model=model,
        most=prices.rates(model).of_pieces(pieces),
        unit=prices.unit,
        seconds=house.settings_of(AISettings).image_minutes * 60,
    )


def view(row: ImageJobRow) -> ImageJob:
    """An order as its owner sees it."""
    kind: ImageKind = row.kind  # type: ignore[assignment]  # a CHECK holds the column to these words
    reason: Reason | None = row.reason  # type: ignore[assignment]  # written by `failed` alone
    owner_kind: OwnerKind = row.owner_kind  # type: ignore[assignment]  # likewise
    return ImageJob(
        id=row.id,
        kind=kind,
        owner=Owner(owner_kind, row.owner_id),
        purpose=row.purpose,
        state=_state(row),
        reason=reason,
        pictures=tuple(row.pictures),
        deadline_at=row.deadline_at,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


async def _reserve(session: Session, row: ImageJobRow, maker: InstalledImages, use: Use, pieces: int) -> None:
    house = house_of(session)
    call = planned(house, maker, use, view(row).kind, pieces, call_id=row.call_id)
    await metering.begin(session, call, prices=house.the(PriceList), request_id=row.id, attempt=1)


async def _end(
    session: Session, row: ImageJobRow, state: ImageState, *, reason: Reason | None = None, pieces: int = 0
) -> None:
    row.state, row.reason, row.finished_at = state, reason, clock.now()
    await session.flush()
    prices = house_of(session).the(PriceList)
    ending = Ending(
        outcome={"ready": "done", "cancelled": "cancelled"}.get(state, "late" if reason == "late" else "failed"),  # type: ignore[arg-type]  # each is an Outcome
        amounts=Amounts(pieces=pieces),
        failure=reason,
        provider_request_id=row.external_id or "",
        latency_ms=round((row.finished_at - row.created_at).total_seconds() * 1000),
    )
    await metering.end(session, row.call_id, ending, prices.rates(f"{row.endpoint}/{row.kind}"))
    _tell(session, row)


async def _ready_tune(session: Session, owner_id: UUID, tune_id: UUID) -> None:
    tune = await store.of_owner(session, owner_id, tune_id)
    if tune is None or tune.kind == "prompt" or tune.request.get(_FORGOTTEN):
        raise NotFound(N_("There is no such tune."))
    if tune.state != "ready":
        raise Conflict(N_("This tune is not ready: pictures can be made once it is."))


def _checked(wanted: ImageOrder) -> tuple[ImageKind, JsonObject]:
    if isinstance(wanted, PromptOrder):
        if not 1 <= wanted.pictures <= MOST_PICTURES or not wanted.text.strip():
            raise _refused("/pictures", N_("Write what the pictures show, and ask for 1 to 8 of them."))
        if names_models(wanted.text):
            raise _refused("/text", N_("Write what the pictures show in words alone: < and > are not taken."))
        return "prompt", {"text": wanted.text, "pictures": wanted.pictures}
    if not 1 <= len(wanted.photos) <= MOST_PHOTOS:
        raise _refused("/photos", N_("Send 1 to 20 photos."))
    request: JsonObject = {
        "subject": wanted.subject,
        "photos": [str(one) for one in wanted.photos],
        "characteristics": dict(wanted.characteristics),
    }
    if isinstance(wanted, TuneOrder):
        return "tune", request
    return "pack", request | {"pack": wanted.pack, "pictures": wanted.pictures}


def _refused(pointer: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[FieldError(pointer, "bad_order", message)])


def _state(row: ImageJobRow) -> ImageState:
    state: ImageState = row.state  # type: ignore[assignment]  # a CHECK holds the column to these words
    return state


def _tell(session: Session, row: ImageJobRow) -> None:
    live.publish(session, f"ai.image:{row.id}", {"id": str(row.id)})
