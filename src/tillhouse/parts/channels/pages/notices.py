"""News of one's notices, for pages and for whoever has a ticket."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from tillhouse.kernel import live
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import TheHouse

router = APIRouter(prefix="/messages/notices")
Owner = Annotated[Principal, Depends(require("channels.own"))]


@router.get("/events")
async def events(house: TheHouse, owner: Owner) -> Response:
    """Server-sent events: a hint whenever there is something new of yours; look again then."""
    return live.sse_response(house, live.person_channel(owner.person_id))
