"""The page behind the link in a message: one button ends offers, without signing in."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tillhouse.kernel.access import open_to_all
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.web.deps import FromOurPage, Pages
from tillhouse.parts.channels.service import consent

router = APIRouter(prefix="/messages/opt-out")
_OPEN = Depends(open_to_all("the link is sealed"))


@router.get("/{token}", dependencies=[_OPEN])
async def ask(request: Request, _session: Read, pages: Pages, token: str) -> Response:
    """Ask first: programs that look at links must not end anything."""
    return pages.render_page(request, "channels/opt_out.html", {"token": token, "done": False})


@router.post("/{token}", dependencies=[_OPEN, FromOurPage, Depends(rate_limit("30/minute", by="ip"))])
async def end(request: Request, session: Write, pages: Pages, token: str) -> Response:
    """End offers on the channel of the message."""
    await consent.opt_out_by_token(session, token)
    return pages.render_page(request, "channels/opt_out.html", {"token": token, "done": True})
