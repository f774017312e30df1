"""What staff see of subscriptions of everyone."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import Read
from tillhouse.kernel.web.deps import Pages
from tillhouse.parts.billing import api
from tillhouse.parts.billing.pages.own import STATES
from tillhouse.parts.identity import api as identity

_PAGE = 30

router = APIRouter(prefix="/console/billing")
Staff = Annotated[Principal, Depends(require("billing.read"))]


@router.get("/subscriptions")
async def subscriptions(
    request: Request, session: Read, staff: Staff, pages: Pages, *, ended: bool = False, cursor: str | None = None
) -> Response:
    """Subscriptions, newest first: those that live, or all."""
    found, following = await api.subscriptions(session, live_only=not ended, limit=_PAGE, cursor=cursor)
    names = await identity.names(session, [one.owner.id for one in found if one.owner.kind == "person"])
    values = {"subscriptions": found, "names": names, "ended": ended, "next": following, "states": STATES}
    return pages.render_page(request, "billing/console_subscriptions.html", {**values, "cursor": cursor})
