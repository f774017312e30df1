"""The receipt of a payment: a page, and a paper."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.downloads import pdf_download
from tillhouse.parts.payments import api

router = APIRouter(prefix="/payments")
Looker = Annotated[Principal, Depends(require("payments.status"))]


@router.get("/{order_id}/receipt")
async def receipt(request: Request, session: Read, looker: Looker, pages: Pages, order_id: UUID) -> Response:
    """Who paid what, when, and under which numbers: one's own, or any for staff."""
    person_id = None if looker.may("payments.status_of_all") else looker.person_id
    found = await api.receipt(session, order_id, person_id=person_id)
    if found is None:
        raise NotFound(N_("Nothing has been paid here, so there is no receipt."))
    return pages.render_page(request, "payments/receipt.html", {"receipt": found})


@router.get("/{order_id}/receipt.pdf", dependencies=[Depends(rate_limit("30/minute"))])
async def paper(house: TheHouse, looker: Looker, order_id: UUID) -> Response:
    """The same as PDF: one's own, or any for staff."""
    person_id = None if looker.may("payments.status_of_all") else looker.person_id
    return pdf_download(f"receipt-{order_id}", await api.receipt_pdf(house, order_id, person_id=person_id))
