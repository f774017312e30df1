"""The audit log for staff: who did what, when, and to what."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.paging import cut, decode_id
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.filters import Day, begin_of, end_of, filter_of, is_filtered, valid
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.sheets import csv_download
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import EVERYTHING, AuditFilter, parse_identifier
from tillhouse.parts.identity.models import AuditRow

router = APIRouter()
Auditor = Annotated[Principal, Depends(require("identity.audit"))]

_PAGE = 50
_BITE = 500
_COLUMNS = ("at", "actor_kind", "actor_id", "action", "subject", "details", "request_id")


class AuditForm(BaseModel):
    """The filter as it stands in the address."""

    who: str | None = Field(default=None, max_length=254)
    action: str | None = Field(default=None, max_length=100)
    first: Day | None = None
    last: Day | None = None


@router.get("/console/identity/audit")
async def audit_log(
    request: Request, session: Read, _auditor: Auditor, pages: Pages, cursor: str | None = None
) -> Response:
    """What staff and machines did, newest first."""
    form = filter_of(request, AuditForm)
    wanted = await _wanted(session, form)
    before = decode_id(cursor) if cursor else None
    rows = await store.audit_entries(session, _PAGE + 1, before, wanted) if form.is_valid else ()
    shown, following = cut(rows, _PAGE, lambda row: (str(row.id),))
    context = {
        "rows": shown,
        "names": await store.names(session, [row.actor_id for row in shown if row.actor_id]),
        "following": following,
        "cursor": cursor,
        "filtered": is_filtered(form),
    }
    return pages.render_form(request, "identity/audit.html", form, context, fragment="identity/_audit.html")


@router.get("/console/identity/audit.csv")
async def audit_csv(request: Request, session: Read, house: TheHouse, _auditor: Auditor) -> Response:
    """The same, all of it, for a spreadsheet."""
    form = filter_of(request, AuditForm)
    wanted = await _wanted(session, form)
    valid(form)

    async def rows(reading: ReadSession) -> AsyncIterator[Sequence[object]]:
        before: UUID | None = None
        while bite := await store.audit_entries(reading, _BITE, before, wanted):
            for row in bite:
                yield _cells(row)
            before = bite[-1].id

    return csv_download("audit", _COLUMNS, house.database, rows)


async def _wanted(session: ReadSession, form: Form[AuditForm]) -> AuditFilter:
    """What the form asks for; who is not known, or a form that is not valid, says so in the form."""
    if not form.is_valid:
        return EVERYTHING
    asked = form.data
    return AuditFilter(
        actor_id=await _actor(session, form, asked.who) if asked.who else None,
        action=asked.action,
        since=begin_of(asked.first) if asked.first else None,
        until=end_of(asked.last) if asked.last else None,
    )


async def _actor(session: ReadSession, form: Form[AuditForm], who: str) -> UUID | None:
    try:
        return UUID(who)
    except ValueError:
        pass
    try:
        found = await store.person_by_identifier(session, parse_identifier(who))
    except InvalidInput:
        found = None
    if found is None:
        form.refuse_field("who", gettext("Nobody here has this address. Write an e-mail, a mobile number or an id."))
    return found.id if found else None


def _cells(row: AuditRow) -> Sequence[object]:
    details = json.dumps(row.details, ensure_ascii=False) if row.details else ""
    return row.at.isoformat(), row.actor_kind, row.actor_id or "", row.action, row.subject, details, row.request_id
