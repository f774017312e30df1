"""All of one's invoices, points and what they went for, a page at a time."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.http import Read
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import Pages
from tillhouse.parts.billing import api
from tillhouse.parts.billing.pages import whose
from tillhouse.parts.billing.pages.lines import words

_PAGE = 30

router = APIRouter(prefix="/billing")
Person = Annotated[Principal, Depends(require("billing.own"))]
What = Literal["invoices", "points", "usage"]


async def _invoices(session: ReadSession, owner: api.Owner, cursor: str | None) -> tuple[Sequence[object], str | None]:
    return await api.invoices_of(session, owner, limit=_PAGE, cursor=cursor)


async def _points(session: ReadSession, owner: api.Owner, cursor: str | None) -> tuple[Sequence[object], str | None]:
    return await api.open_lots(session, owner, limit=_PAGE, cursor=cursor)


async def _usage(session: ReadSession, owner: api.Owner, cursor: str | None) -> tuple[Sequence[object], str | None]:
    return await api.charges(session, owner, limit=_PAGE, cursor=cursor)


_Find = Callable[[ReadSession, api.Owner, str | None], Awaitable[tuple[Sequence[object], str | None]]]
_LISTS: Mapping[What, tuple[str, str, _Find]] = {
    "invoices": (N_("Invoices"), "invoices", _invoices),
    "points": (N_("Points by where they came from"), "lots", _points),
    "usage": (N_("What points went for"), "charges", _usage),
}


@router.get("/all/{what}", dependencies=[Depends(rate_limit("120/minute"))])
async def everything(
    request: Request,
    session: Read,
    person: Person,
    pages: Pages,
    *,
    what: What,
    organisation_id: UUID | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """One of the lists: points that are left by their ends, the others newest first."""
    title, table, find = _LISTS[what]
    owner, about = await whose.shown(session, person, organisation_id, f"/billing/all/{what}")
    found, following = await find(session, owner, cursor)
    place = {"next": following, "cursor": cursor}
    values = {**about, **words(session), **place, table: found, "found": found, "table": table, "title": title}
    return pages.render_page(request, "billing/list.html", values)
