"""What staff see of subscriptions of everyone, whom they look for, and the limits of the whole house."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.datastructures import FormData

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import DomainError, InvalidInput, NotFound
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.toasts import redirect
from tillhouse.parts.billing import api
from tillhouse.parts.billing.pages.lines import STATES
from tillhouse.parts.billing.pages.owner import Granter, Limit, limit_words, set_limit
from tillhouse.parts.billing.service import owners
from tillhouse.parts.identity import api as identity

_PAGE = 30
_LIST = "/console/billing/subscriptions"

router = APIRouter(prefix="/console/billing")
Staff = Annotated[Principal, Depends(require("billing.read"))]


class Wanted(BaseModel):
    """Whom staff look for: an address of a person, or an id."""

    who: str = Field(max_length=254)


@router.get("/subscriptions")
async def subscriptions(
    request: Request, session: Read, staff: Staff, pages: Pages, *, ended: bool = False, cursor: str | None = None
) -> Response:
    """Subscriptions, newest first: those that live, or all."""
    values = await _values(session, staff, ended=ended, cursor=cursor)
    return pages.render_page(request, "billing/console_subscriptions.html", values)


@router.get("/subscriptions/owners", dependencies=[Depends(rate_limit("60/minute"))])
async def find(request: Request, session: Read, staff: Staff, pages: Pages) -> Response:
    """To the page of whoever has this address, short name or id."""
    form = Form.parse(FormData(request.query_params), Wanted)
    if form.is_valid:
        try:
            owner = await _owner(session, form.data.who.strip())
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            return redirect(request, f"{_LIST}/owners/{owner.kind}/{quote(str(owner.id))}")
    values = {**await _values(session, staff), "wanted": form}
    return pages.render_form(request, "billing/console_subscriptions.html", form, values)


@router.post("/limit", dependencies=[FromOurPage, Depends(rate_limit("30/minute"))])
async def limit(request: Request, session: Write, granter: Granter, pages: Pages, web: TheWeb) -> Response:
    """Set or remove a limit of everyone together."""
    form = await Form.read(request, Limit)
    said = await set_limit(session, granter, None, form)
    if said:
        return redirect(request, _LIST, said, secure=web.secure)
    values = {**await _values(session, granter), "limit": form}
    return pages.render_form(request, "billing/console_subscriptions.html", form, values)


async def _owner(session: ReadSession, who: str) -> api.Owner:
    """The person with an address, the organisation with a short name, or whoever has an id. Raises `InvalidInput`,
    `NotFound`.
    """
    try:
        known = UUID(who)
    except ValueError:
        found = await _called(session, who)
    else:
        found = next(iter(await owners.names(session, [api.person(known), api.organisation(known)])), None)
    if found is None:
        raise NotFound(N_("Nobody here has this address, short name or id."))
    return found


async def _called(session: ReadSession, who: str) -> api.Owner | None:
    try:
        person = await identity.person_by_identifier(session, identity.parse_identifier(who))
    except InvalidInput:  # an address goes first: anyone may give their organisation digits as its short name
        organisation_id = await identity.organisation_called(session, who)
        if organisation_id is None:
            raise
        return api.organisation(organisation_id)
    return api.person(person.id) if person else None


async def _values(
    session: ReadSession, staff: Principal, *, ended: bool = False, cursor: str | None = None
) -> dict[str, object]:
    found, following = await api.subscriptions(session, live_only=not ended, limit=_PAGE, cursor=cursor)
    return {
        **limit_words(),
        "subscriptions": found,
        "names": await owners.names(session, [one.owner for one in found]),
        "ended": ended,
        "next": following,
        "cursor": cursor,
        "states": STATES,
        "wanted": Form.blank(Wanted),
        "may_grant": staff.may("billing.grant"),
        "caps": await api.caps_of(session, None, zone="UTC"),
    }
