"""The first page: what of payments needs a person now, how much, and for how long already."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tillhouse.kernel import clock
from tillhouse.kernel.http import Read
from tillhouse.kernel.web.deps import Pages
from tillhouse.parts.payments.pages.console.common import ROOT, Reader
from tillhouse.parts.payments.service.waiting import needs_a_person

router = APIRouter()


@router.get(ROOT)
@router.get(f"{ROOT}/", include_in_schema=False)
async def overview(request: Request, session: Read, pages: Pages, _reader: Reader) -> Response:
    """Everything that waits, money that leaves first."""
    found = await needs_a_person(session)
    context = {"waiting": found, "nothing": not any(one.count for one in found), "now": clock.now()}
    return pages.render_page(request, "payments/console/overview.html", context)
