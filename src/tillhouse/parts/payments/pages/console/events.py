"""Events of providers: verified, settled, put aside, given up; looked at with names hidden, and replayed."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.web.deps import Pages, TheWeb
from tillhouse.kernel.web.filters import filter_of, valid
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain.finding import EventFilter
from tillhouse.parts.payments.pages.console import words
from tillhouse.parts.payments.pages.console.common import (
    POSTED,
    ROOT,
    Find,
    NarrowForm,
    Reader,
    csv_of,
    fitting,
    list_page,
    narrowed,
)
from tillhouse.parts.payments.service import finding
from tillhouse.parts.payments.service.views import EventView
from tillhouse.parts.payments.service.waiting import given_up

router = APIRouter()
Replayer = Annotated[Principal, Depends(require("payments.replay"))]


class EventForm(NarrowForm):
    """Which events. `stuck` are those put aside and those given up."""

    state: Literal["received", "processed", "ignored", "parked", "dead", "stuck"] | None = None
    name: str | None = Field(default=None, max_length=100)


@router.get(f"{ROOT}/events")
async def events(request: Request, session: Read, pages: Pages, _reader: Reader) -> Response:
    """Events that fit, the last that came first."""
    form = filter_of(request, EventForm)
    dead = await given_up(session)

    async def about(shown: Sequence[EventView]) -> Mapping[str, object]:
        return {"dead": dead}

    return await list_page(request, session, pages, "events", form, find=_find(form, dead), about=about)


@router.get(f"{ROOT}/events.csv")
async def events_csv(request: Request, session: Read, house: TheHouse, _reader: Reader) -> Response:
    """The same, all of it, for a spreadsheet; without their messages."""
    form = filter_of(request, EventForm)
    find = _find(form, await given_up(session))
    valid(form)
    columns = ("event", "received_at", "provider", "provider_event_id", "name", "state", "reason", "handled_at")
    return csv_of("provider-events", columns, house.database, find, _cells)


@router.get(ROOT + "/events/{event_id}")
async def event(request: Request, session: Read, pages: Pages, me: Reader, event_id: UUID) -> Response:
    """One event: what became of it, and its message with all that names people, accounts or secrets hidden."""
    found = await finding.event_file(session, event_id)
    context = {**words.WORDS, "file": found, "event": found.event, "may_replay": me.may("payments.replay")}
    response = pages.render_page(request, "payments/console/event.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@router.post(ROOT + "/events/{event_id}/replay", dependencies=POSTED)
async def replay(request: Request, session: Write, me: Replayer, web: TheWeb, event_id: UUID) -> Response:
    """Have it looked at again: the provider is asked, and what is old news changes nothing."""
    found = await api.replay_event(session, event_id)
    await identity.audit(session, me, "payments.replay", f"event:{found.id}", {"provider": found.provider})
    said = Toast(
        gettext("It is looked at again"), gettext("Load this page again in a moment to see what became of it."), "info"
    )
    return redirect(request, f"{ROOT}/events/{event_id}", said, secure=web.secure)


def _find(form: Form[EventForm], dead: frozenset[UUID]) -> Find[EventView]:
    wanted = fitting(narrowed(form, EventFilter), dead=dead)
    if wanted.state == "stuck":
        wanted = fitting(wanted, state=None, stuck=True)

    async def find(session: ReadSession, limit: int, before: UUID | None) -> Sequence[EventView]:
        return await finding.events(session, wanted, limit=limit, before=before)

    return find


def _cells(one: EventView) -> Sequence[object]:
    return (one.id, one.received_at.isoformat(), one.provider, one.event_id, one.name, one.state, one.reason or "",
            one.handled_at.isoformat() if one.handled_at else "")  # fmt: skip
