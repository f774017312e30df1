"""JSON endpoints of ai."""

from datetime import UTC, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, open_to_all, require
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.idempotency import IdempotentRoute, RequiredKey
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.ai.domain.calls import UsageLine
from tillhouse.parts.ai.domain.images import ImageJob, PackOrder, PromptOrder, TuneOrder, hint_in
from tillhouse.parts.ai.domain.photos import SENTENCES, Verdict
from tillhouse.parts.ai.domain.prices import NANO
from tillhouse.parts.ai.flows import imaging, ordering
from tillhouse.parts.ai.flows.photos import check_photos
from tillhouse.parts.ai.schemas import images as schemas
from tillhouse.parts.ai.schemas import photos as photo_schemas
from tillhouse.parts.ai.schemas.usage import UsageLineOut, UsageOut
from tillhouse.parts.ai.service import images, metering

Me = Annotated[Principal, Depends(require("ai.own"))]

Maker = Annotated[Principal, Depends(open_to_all("the address of a callback holds a key of its own"))]

_MOST_DAYS = 400
_PAGE = 50

_router = APIRouter(prefix="/ai")
_orders = APIRouter(prefix="/ai/images", route_class=IdempotentRoute)


@_router.get("/usage")
async def usage(session: Read, me: Me, days: Annotated[int, Query(ge=1, le=_MOST_DAYS)] = 30) -> UsageOut:
    """What the caller's own use of models came to in the last `days` days."""
    until = clock.now().astimezone(UTC)
    since = until - timedelta(days=days)
    found = await metering.usage_of(session, me.person_id, since, until + timedelta(seconds=1))
    return UsageOut(since=since, until=until, lines=[_out(one) for one in found])


@_router.post("/photos/check", dependencies=[Depends(rate_limit("6/minute"))])
async def check(house: TheHouse, me: Me, body: photo_schemas.PhotosIn) -> photo_schemas.PhotosOut:
    """Look at the caller's photos before anything is ordered of them: what is wrong with which, and what to do."""
    verdicts = await check_photos(house, me.person_id, body.photos)
    return photo_schemas.PhotosOut(
        good=all(one.good for one in verdicts),
        photos=[_photo(file_id, one) for file_id, one in zip(body.photos, verdicts, strict=True)],
    )


@_orders.get("/packs", dependencies=[Depends(rate_limit("20/minute"))])
async def packs(house: TheHouse, _me: Me) -> schemas.PacksOut:
    """The packs that may be ordered."""
    found = [
        schemas.PackOut(id=one.id, title=one.title, cover=one.cover or None, pictures=dict(one.pictures))
        for one in await ordering.packs(house)
    ]
    return schemas.PacksOut(items=found)


@_orders.post("/price", dependencies=[Depends(rate_limit("60/minute"))])
async def price(house: TheHouse, me: Me, body: schemas.PriceIn) -> schemas.PriceOut:
    """What an order may take from the caller at the most, before it is ordered, and what they have."""
    told = await ordering.price_of(
        house, me.person_id, body.kind, pack=body.pack, subject=body.subject, pictures=body.pictures
    )
    return schemas.PriceOut(
        unit=told.most.unit, most=str(told.most), available=str(told.available), missing=str(told.missing)
    )


@_orders.post("/tunes", status_code=202, dependencies=[Depends(rate_limit("6/minute"))])
async def order_tune(house: TheHouse, me: Me, key: RequiredKey, body: schemas.TuneIn) -> schemas.ImageJobOut:
    """Have a model taught from the caller's photos, which are checked first."""
    wanted = TuneOrder(subject=body.subject, photos=body.photos, characteristics=body.characteristics)
    return _job(await ordering.order_pictures(house, me.person_id, wanted, key=f"tunes:{key}", forgive=body.anyway))


@_orders.post("/packs", status_code=202, dependencies=[Depends(rate_limit("6/minute"))])
async def order_pack(house: TheHouse, me: Me, key: RequiredKey, body: schemas.PackIn) -> schemas.ImageJobOut:
    """Order a pack of pictures of the caller's photos, which are checked first."""
    wanted = PackOrder(
        pack=body.pack, subject=body.subject, photos=body.photos, pictures=0, characteristics=body.characteristics
    )
    return _job(await ordering.order_pictures(house, me.person_id, wanted, key=f"packs:{key}", forgive=body.anyway))


@_orders.post("/prompts", status_code=202, dependencies=[Depends(rate_limit("30/minute"))])
async def order_prompt(house: TheHouse, me: Me, key: RequiredKey, body: schemas.PromptIn) -> schemas.ImageJobOut:
    """Order pictures by a text, of whom a ready tune of the caller knows."""
    wanted = PromptOrder(tune_id=body.tune_id, text=body.text, pictures=body.pictures)
    return _job(await ordering.order_pictures(house, me.person_id, wanted, key=f"prompts:{key}"))


@_router.get("/images")
async def image_jobs(session: Read, me: Me, before: UUID | None = None) -> schemas.ImageJobsOut:
    """The caller's orders of pictures, newest first."""
    found = await images.jobs(session, me.person_id, before=before, limit=_PAGE)
    return schemas.ImageJobsOut(
        items=[_job(one) for one in found], next_cursor=found[-1].id if len(found) == _PAGE else None
    )


@_router.get("/images/{image_job_id}")
async def image_job(session: Read, me: Me, image_job_id: UUID) -> schemas.ImageJobOut:
    """One of the caller's orders of pictures."""
    return _job(await images.job(session, me.person_id, image_job_id))


@_router.post("/images/{image_job_id}/cancel", dependencies=[Depends(rate_limit("30/minute"))])
async def cancel_image_job(session: Write, me: Me, image_job_id: UUID) -> schemas.ImageJobOut:
    """Stop an order; nothing is charged."""
    return _job(await images.cancel(session, me.person_id, image_job_id))


@_router.delete("/images/{image_job_id}", status_code=204, dependencies=[Depends(rate_limit("30/minute"))])
async def forget_tune(session: Write, me: Me, image_job_id: UUID) -> None:
    """Have the maker forget a tune, and the photos that it was taught from. Pictures that were made stay files."""
    await images.delete_tune(session, me.person_id, image_job_id)


@_router.post(
    "/images/callback/{image_job_id}", status_code=202, dependencies=[Depends(rate_limit("600/minute", by="ip"))]
)
async def image_callback(
    request: Request, session: Write, _who: Maker, image_job_id: UUID, key: Annotated[str, Query(max_length=100)] = ""
) -> schemas.Noted:
    """A maker of pictures says that something happened. Its word is a hint alone: the truth is read from it."""
    await imaging.take_callback(session, image_job_id, key, hint_in(await request.body()))
    return schemas.Noted()


def router() -> APIRouter:
    """All JSON endpoints of ai."""
    every = APIRouter()
    every.include_router(_orders)  # first: `packs` is no order's id
    every.include_router(_router)
    return every


def _job(one: ImageJob) -> schemas.ImageJobOut:
    return schemas.ImageJobOut(
        id=one.id,
        kind=one.kind,
        state=one.state,
        reason=one.reason,
        message=gettext(one.sentence) if one.sentence else None,
        pictures=list(one.pictures),
        created_at=one.created_at,
        deadline_at=one.deadline_at,
        finished_at=one.finished_at,
    )


def _photo(file_id: UUID, one: Verdict) -> photo_schemas.PhotoOut:
    return photo_schemas.PhotoOut(
        file_id=file_id,
        number=one.number,
        good=one.good,
        faults=[photo_schemas.FaultOut(code=fault, message=gettext(SENTENCES[fault])) for fault in one.faults],
        faces=one.faces,
        like=one.like,
    )


def _out(one: UsageLine) -> UsageLineOut:
    return UsageLineOut(
        purpose=one.purpose,
        model=one.model,
        calls=one.calls,
        failed=one.failed,
        input_tokens=one.input,
        output_tokens=one.output,
        cached_tokens=one.cached,
        sound_seconds=f"{Decimal(one.milliseconds) / 1000:.3f}",
        cost=f"{Decimal(one.cost) / NANO:.9f}",
        currency=one.unit,
    )
