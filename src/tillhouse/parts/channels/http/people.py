"""How a person is reached, by their own say: phones and browsers for pushes, what they agreed to, notices."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from tillhouse.kernel.access import Principal, open_to_all, require
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import MAX_PAGE, cut, decode_id
from tillhouse.kernel.text import N_
from tillhouse.parts.channels import schemas
from tillhouse.parts.channels.domain.messages import CHANNELS, PURPOSES
from tillhouse.parts.channels.models import NoticeRow
from tillhouse.parts.channels.providers.push import application_key
from tillhouse.parts.channels.service import consent, devices
from tillhouse.parts.channels.settings import ChannelsSettings
from tillhouse.parts.channels.store import reach

router = APIRouter(prefix="/channels")
Owner = Annotated[Principal, Depends(require("channels.own"))]


@router.post("/push-tokens", status_code=201, dependencies=[Depends(rate_limit("30/minute"))])
async def register_phone(session: Write, owner: Owner, body: schemas.PushTokenIn) -> schemas.DeviceOut:
    """Register a phone for pushes, by its FCM token. Safe to repeat at every start of the app."""
    return schemas.DeviceOut(id=await devices.register(session, owner.person_id, "fcm", body.token))


@router.post("/web-push-subscriptions", status_code=201, dependencies=[Depends(rate_limit("30/minute"))])
async def register_browser(session: Write, owner: Owner, body: schemas.WebPushIn) -> schemas.DeviceOut:
    """Register a browser for pushes, by what `pushManager.subscribe()` gave it."""
    found = await devices.register(
        session, owner.person_id, "web", str(body.endpoint), p256dh=body.keys.p256dh, auth=body.keys.auth
    )
    return schemas.DeviceOut(id=found)


@router.get("/web-push-key")
async def web_push_key(house: TheHouse, owner: Owner) -> schemas.WebPushKeyOut:
    """The `applicationServerKey` that a browser subscribes with."""
    pem = house.settings_of(ChannelsSettings).vapid_private_key
    if not pem:
        raise NotFound(N_("No pushes are sent to browsers from here."))
    return schemas.WebPushKeyOut(key=application_key(pem))


@router.delete("/push-tokens/{device_id}", status_code=204, dependencies=[Depends(rate_limit("30/minute"))])
async def forget_phone(session: Write, owner: Owner, device_id: UUID) -> None:
    """Send no more pushes to a phone, as when somebody signs out of it."""
    await devices.forget(session, owner.person_id, device_id)


@router.delete("/web-push-subscriptions/{device_id}", status_code=204, dependencies=[Depends(rate_limit("30/minute"))])
async def forget_browser(session: Write, owner: Owner, device_id: UUID) -> None:
    """Send no more pushes to a browser."""
    await devices.forget(session, owner.person_id, device_id)


@router.get("/consents")
async def read_consents(session: Read, owner: Owner) -> schemas.ConsentsOut:
    """What may be sent to you, for every channel and purpose."""
    found = await consent.consents_of(session, owner.person_id)
    items = [
        schemas.ConsentOut(channel=channel, purpose=purpose, allowed=found[channel, purpose])
        for channel in CHANNELS
        for purpose in PURPOSES
    ]
    return schemas.ConsentsOut(items=items)


@router.put("/consents", dependencies=[Depends(rate_limit("60/minute"))])
async def set_consent(session: Write, owner: Owner, body: schemas.ConsentIn) -> schemas.ConsentsOut:
    """Allow messages of one purpose on one channel, or no more. What you say is kept with the time."""
    await consent.set_consent(
        session, owner.person_id, body.channel, body.purpose, allowed=body.allowed, source="settings"
    )
    return await read_consents(session, owner)


@router.get("/notices")
async def list_notices(session: Read, owner: Owner, cursor: str | None = None, limit: int = 50) -> schemas.NoticesOut:
    """Your notices, newest first, and how many of all are unread."""
    size, before = max(1, min(limit, MAX_PAGE)), decode_id(cursor) if cursor else None
    rows = await reach.notices(session, owner.person_id, limit=size + 1, before=before)
    page, next_cursor = cut(rows, size, lambda row: (str(row.id),))
    unread = await reach.count_unread(session, owner.person_id)
    return schemas.NoticesOut(items=[_notice(row) for row in page], next_cursor=next_cursor, unread=unread)


@router.post("/notices/read", dependencies=[Depends(rate_limit("120/minute"))])
async def read_all(session: Write, owner: Owner) -> schemas.UnreadOut:
    """Mark all of your notices as read."""
    return schemas.UnreadOut(unread=await devices.read_notices(session, owner.person_id))


@router.post("/notices/{notice_id}/read", dependencies=[Depends(rate_limit("120/minute"))])
async def read_one(session: Write, owner: Owner, notice_id: UUID) -> schemas.UnreadOut:
    """Mark one of your notices as read. Safe to repeat."""
    return schemas.UnreadOut(unread=await devices.read_notices(session, owner.person_id, notice_id))


@router.post(
    "/opt-out/{token}",
    status_code=204,
    dependencies=[Depends(open_to_all("the link is sealed")), Depends(rate_limit("30/minute", by="ip"))],
)
async def opt_out(session: Write, token: str) -> None:
    """End marketing on the channel of a message, by the link in it, without signing in (RFC 8058)."""
    await consent.opt_out_by_token(session, token)


def _notice(row: NoticeRow) -> schemas.NoticeOut:
    return schemas.NoticeOut.model_validate(row, from_attributes=True)
