"""A person's own page of messages: what we told them, and what may be sent to them, by which way."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import cut, decode_id
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.channels.domain.messages import CHANNELS, PURPOSES, Channel
from tillhouse.parts.channels.ports import Carriers
from tillhouse.parts.channels.service import consent, devices
from tillhouse.parts.channels.store import reach

_HOME = "/account/messages"
_PAGE = 20
_POST = [FromOurPage, Depends(rate_limit("60/minute"))]

router = APIRouter(prefix=_HOME)
Owner = Annotated[Principal, Depends(require("channels.own"))]


@router.get("")
async def home(request: Request, session: Read, owner: Owner, pages: Pages, cursor: str | None = None) -> Response:
    """One's notices, newest first, and what may be sent to oneself."""
    before = decode_id(cursor) if cursor else None
    found = await reach.notices(session, owner.person_id, limit=_PAGE + 1, before=before)
    page, next_cursor = cut(found, _PAGE, lambda row: (str(row.id),))
    values = {
        "notices": page,
        "next": next_cursor,
        "cursor": cursor,
        "unread": await reach.count_unread(session, owner.person_id),
        "ways": _ways(session),
        "allowed": await consent.consents_of(session, owner.person_id),
    }
    return pages.render_page(request, "channels/own.html", values)


@router.post("/consents", dependencies=_POST)
async def set_consents(request: Request, session: Write, owner: Owner, web: TheWeb) -> Response:
    """Note what changed: a box that is ticked allows, one that is not forbids."""
    ticked = set((await request.form()).keys())
    said = await consent.consents_of(session, owner.person_id)
    for channel in _ways(session):
        for purpose in PURPOSES:
            allowed = f"{channel}.{purpose}" in ticked
            if allowed != said[channel, purpose]:
                await consent.set_consent(
                    session, owner.person_id, channel, purpose, allowed=allowed, source="settings"
                )
    return redirect(request, _HOME, Toast(gettext("Saved.")), secure=web.secure)


@router.post("/read", dependencies=_POST)
async def read_all(request: Request, session: Write, owner: Owner, web: TheWeb) -> Response:
    """Mark all notices as read."""
    await devices.read_notices(session, owner.person_id)
    return redirect(request, _HOME, secure=web.secure)


def _ways(session: ReadSession) -> dict[Channel, str]:
    """The channels that something carries here, as a person calls them."""
    carriers = house_of(session).the(Carriers)
    names = channel_names()
    return {one: names[one] for one in CHANNELS if one == "in_app" or carriers.has(one)}


def channel_names() -> dict[Channel, str]:
    """What the channels are called, in the reader's language."""
    return {
        "email": gettext("E-mail"),
        "sms": gettext("Text message"),
        "whatsapp": gettext("WhatsApp"),
        "push": gettext("Notifications"),
        "in_app": gettext("In the app"),
    }
