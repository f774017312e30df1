"""Closed periods: which there are, and closing one more."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.filters import Day, end_of
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.identity import api as identity
from tillhouse.parts.ledger.pages.common import ROOT, Reader
from tillhouse.parts.ledger.service import closing

router = APIRouter()
Closer = Annotated[Principal, Depends(require(closing.CLOSE))]


class CloseForm(BaseModel):
    """The last day that is closed (`until`), why, and (the second time the form is sent) that it is meant."""

    until: Day
    reason: str = Field(max_length=500)
    confirmed: Literal["yes"] | None = None


@router.get(f"{ROOT}/periods")
async def periods(request: Request, session: Read, pages: Pages, me: Reader) -> Response:
    """Every closing, and a form for the next for whoever may."""
    return await _page(request, session, pages, me, Form.blank(CloseForm))


@router.post(f"{ROOT}/periods", dependencies=[FromOurPage, Depends(rate_limit("10/minute"))])
async def close(request: Request, session: Write, pages: Pages, web: TheWeb, me: Closer) -> Response:
    """Ask once more; then close what lies before the end of a day."""
    form = await Form.read(request, CloseForm)
    if not form.is_valid:
        return await _page(request, session, pages, me, form)
    until = end_of(form.data.until)
    try:
        async with session.begin_nested():  # a refusal keeps nothing of what was begun
            await closing.check_closing(session, until, by=me, reason=form.data.reason)
            if form.data.confirmed:
                await closing.close_period(session, until, by=me, reason=form.data.reason)
    except DomainError as refusal:
        form.refuse(refusal)
        return await _page(request, session, pages, me, form)
    if not form.data.confirmed:
        return pages.render_page(request, "ledger/close.html", {"form": form, "until": until, "last": form.data.until})
    closed = gettext("The books are closed up to the end of {day}.", day=formats.day(form.data.until))
    return redirect(request, f"{ROOT}/periods", Toast(closed), secure=web.secure)


async def _page(request: Request, session: ReadSession, pages: Pages, me: Principal, form: Form[CloseForm]) -> Response:
    found = await closing.closed_periods(session)
    context = {
        "periods": found,
        "names": await identity.names(session, [one.closed_by for one in found if one.closed_by]),
        "may_close": me.may(closing.CLOSE),
        "closed_until": await closing.closed_until(session),
    }
    return pages.render_form(request, "ledger/periods.html", form, context)
