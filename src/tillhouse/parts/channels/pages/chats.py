"""Staff pages of chats: who waits for an answer, all that was said, and, outside production, a phone to try."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, NotFound, PayloadTooLarge
from tillhouse.kernel.house import House
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import cut, decode_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.channels.domain.chat import Choice, Correspondent, line_of, numbered
from tillhouse.parts.channels.domain.messages import window_closes, window_is_open
from tillhouse.parts.channels.flows import simulating
from tillhouse.parts.channels.models import ChatContactRow, ConversationRow, InboundRow, MessageRow
from tillhouse.parts.channels.pages.sent import ERRORS, STATUSES
from tillhouse.parts.channels.providers.simulator import ACCOUNT
from tillhouse.parts.channels.service import answering, conversations
from tillhouse.parts.channels.service.messages import channel_of
from tillhouse.parts.channels.service.rendering import LINE
from tillhouse.parts.channels.store import chats
from tillhouse.parts.files import api as files
from tillhouse.parts.files.api import FileRefused
from tillhouse.parts.identity.api import audit

_HOME = "/console/channels/chats"
_FILES = _HOME + "/files"
_SIMULATOR = "/console/channels/simulator"
_SMALL, _SEEN = 192, 3600  # pixels; seconds for which the browser of one of us keeps what they have seen
_PAGE, _LINES = 30, 100

router = APIRouter()
Staff = Annotated[Principal, Depends(require("channels.chats"))]
_POST = [FromOurPage, Depends(rate_limit("120/minute"))]


class AnswerForm(BaseModel):
    """What one of us writes."""

    text: str = Field(min_length=1, max_length=4096)


class ApprovedForm(BaseModel):
    """The approved template that one of us sends."""

    template: str = Field(min_length=1, max_length=200)


class SimulatedForm(BaseModel):
    """What the pretended phone writes, the button that it presses (`choice`), where it is. Files come beside it."""

    text: str = Field(default="", max_length=4096)
    choice: str = Field(default="", max_length=256)
    latitude: Decimal | None = Field(default=None, ge=-90, le=90)
    longitude: Decimal | None = Field(default=None, ge=-180, le=180)


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of a chat as the page shows it."""

    theirs: bool
    text: str
    at: datetime
    status: str
    kind: str = "text"
    choices: tuple[Choice, ...] = ()
    file: str = ""  # where one of us sees it
    name: str = ""
    error: str = ""


@router.get(_HOME)
async def home(
    request: Request,
    session: Read,
    staff: Staff,
    pages: Pages,
    *,
    house: TheHouse,
    mode: Literal["person", "flow", "ended"] | None = None,
    cursor: str | None = None,
) -> Response:
    """Conversations, newest first; those that wait for one of us have a tab of their own."""
    before = decode_id(cursor) if cursor else None
    found = await chats.conversations(session, mode=mode, limit=_PAGE + 1, before=before)
    page, next_cursor = cut(found, _PAGE, lambda one: (str(one[0].id),))
    values = {
        "conversations": page,
        "mode": mode,
        "next": next_cursor,
        "cursor": cursor,
        "simulator": "" if house.settings.production else _SIMULATOR,
    }
    return pages.render_page(request, "channels/chats.html", values)


@router.get(_HOME + "/{conversation_id}")
async def chat(request: Request, session: Read, staff: Staff, pages: Pages, conversation_id: UUID) -> Response:
    """One conversation with all that was said."""
    return pages.render_page(request, "channels/chat.html", await _page(session, conversation_id, _blank()))


@router.post(_HOME + "/{conversation_id}/answer", dependencies=_POST)
async def answer(
    request: Request, session: Write, staff: Staff, pages: Pages, *, web: TheWeb, conversation_id: UUID
) -> Response:
    """Answer as one of us."""
    form = await Form.read(request, AnswerForm)
    if form.is_valid:
        try:
            await conversations.answer(session, conversation_id, form.data.text, staff.person_id)
            await _note(session, staff, "answered_chat", conversation_id)
        except Conflict as refusal:
            form.refuse(refusal)
    if not form.is_valid:
        return pages.render_form(request, "channels/chat.html", form, await _page(session, conversation_id, form))
    return redirect(request, f"{_HOME}/{conversation_id}", Toast(gettext("Sent.")), secure=web.secure)


@router.post(_HOME + "/{conversation_id}/answer-approved", dependencies=_POST)
async def answer_approved(
    request: Request, session: Write, house: TheHouse, staff: Staff, pages: Pages, *, web: TheWeb, conversation_id: UUID
) -> Response:
    """Answer by a text that was approved for when the 24 hours are over."""
    form = await Form.read(request, ApprovedForm)
    if not form.is_valid:
        shown = await _page(session, conversation_id, _blank())
        return pages.render_form(request, "channels/chat.html", form, {**shown, "choice": form})
    _, contact = await _found(session, conversation_id)
    line = answering.line_of_template(house, contact, form.data.template)
    await conversations.answer(session, conversation_id, line, staff.person_id)
    await _note(session, staff, "answered_chat", conversation_id)
    return redirect(request, f"{_HOME}/{conversation_id}", Toast(gettext("Sent.")), secure=web.secure)


@router.get(_FILES + "/{inbound_id}")
async def file(request: Request, house: TheHouse, staff: Staff, inbound_id: UUID) -> Response:
    """A file that somebody sent: every look is written down, and it can do nothing in the browser."""
    begins = request.headers.get("range", "bytes=0-").startswith("bytes=0-")  # a player asks for piece after piece
    async with house.database.transaction() as session:
        found = await answering.look_at_file(session, staff, inbound_id, "whole" if begins else "part")
    return await files.serve(house, request, *found)


@router.get(_FILES + "/{inbound_id}/small")
async def small(house: TheHouse, staff: Staff, inbound_id: UUID) -> Response:
    """A picture that somebody sent, in small."""
    async with house.database.transaction() as session:
        found = await answering.look_at_file(session, staff, inbound_id, "small")
    picture = await files.preview(house, *found, _SMALL)
    headers = {
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": f"private, max-age={_SEEN}",
    }
    return Response(picture.content, media_type=picture.media_type, headers=headers)


@router.post(_HOME + "/{conversation_id}/take", dependencies=_POST)
async def take(request: Request, session: Write, staff: Staff, web: TheWeb, conversation_id: UUID) -> Response:
    """Answer from now on, instead of the flow."""
    await conversations.take_over(session, conversation_id, staff.person_id)
    await _note(session, staff, "took_chat", conversation_id)
    said = Toast(gettext("You answer now"), gettext("The flow says nothing until you hand back."))
    return redirect(request, f"{_HOME}/{conversation_id}", said, secure=web.secure)


@router.post(_HOME + "/{conversation_id}/hand-back", dependencies=_POST)
async def hand_back(request: Request, session: Write, staff: Staff, web: TheWeb, conversation_id: UUID) -> Response:
    """Have the flow go on."""
    await conversations.hand_back(session, conversation_id)
    await _note(session, staff, "handed_chat_back", conversation_id)
    said = Toast(gettext("Handed back"), gettext("The flow asks its question once more."))
    return redirect(request, f"{_HOME}/{conversation_id}", said, secure=web.secure)


@router.get(_SIMULATOR)
async def simulator(request: Request, session: Read, house: TheHouse, staff: Staff, pages: Pages) -> Response:
    """A phone that writes to the house's flows from this page. Not in production."""
    _not_in_production(production=house.settings.production)
    values = await _phone(session, staff, Form.blank(SimulatedForm))
    return pages.render_page(request, "channels/simulator.html", values)


@router.post(_SIMULATOR, dependencies=_POST)
async def simulate(request: Request, house: TheHouse, staff: Staff, pages: Pages, web: TheWeb) -> Response:
    """Send as the pretended phone: words or a button, files, a place; each is a message of its own."""
    _not_in_production(production=house.settings.production)
    async with request.form() as sent:
        form = Form.parse(sent, SimulatedForm)
        if form.is_valid and (form.data.latitude is None) != (form.data.longitude is None):
            form.refuse_field("longitude" if form.data.longitude is None else "latitude", gettext("Fill this in."))
        if form.is_valid:
            try:
                await _send_as_phone(house, staff, form.data, sent.getlist("file"))
            except (FileRefused, PayloadTooLarge) as refusal:
                form.refuse(refusal)
    if form.is_valid:
        return redirect(request, _SIMULATOR, secure=web.secure)
    async with house.database.reading() as session:
        return pages.render_form(request, "channels/simulator.html", form, await _phone(session, staff, form))


async def _note(session: Session, staff: Principal, done: str, conversation_id: UUID) -> None:
    await audit(session, staff, f"channels.{done}", f"conversation:{conversation_id}", {})


async def _send_as_phone(house: House, staff: Principal, sent: SimulatedForm, more: Sequence[object]) -> None:
    who = Correspondent(ACCOUNT, _number(staff), None, staff.display_name)
    if sent.text or sent.choice:
        await simulating.says(house, who, sent.text, sent.choice)
    for file in more:
        if isinstance(file, UploadFile) and file.filename:
            await simulating.sends_file(house, who, file.filename, await file.read())
    if sent.latitude is not None:
        await simulating.is_at(house, who, str(sent.latitude), str(sent.longitude))


async def _phone(session: ReadSession, staff: Principal, form: Form[SimulatedForm]) -> dict[str, object]:
    contact = await chats.latest_contact(session, "simulator", None, _number(staff))
    return {"said": await _said(session, contact.id) if contact else [], "form": form}


def _not_in_production(*, production: bool) -> None:
    if production:
        raise NotFound(N_("The simulator is there in development alone."))


def _number(staff: Principal) -> str:
    """A number that is nobody's: each of us has a phone of their own."""
    return f"+999{staff.person_id.int % 10**9:09d}"


def _blank() -> Form[AnswerForm]:
    return Form.blank(AnswerForm)


async def _found(session: ReadSession, conversation_id: UUID) -> tuple[ConversationRow, ChatContactRow]:
    row = await chats.conversation(session, conversation_id)
    contact = await chats.contact(session, row.contact_id) if row else None
    if row is None or contact is None:
        raise NotFound(N_("There is no such conversation."))
    return row, contact


async def _page(session: ReadSession, conversation_id: UUID, form: Form[AnswerForm]) -> dict[str, object]:
    row, contact = await _found(session, conversation_id)
    house = house_of(session)
    is_windowed = channel_of(contact) == "whatsapp"
    lines = [(one, answering.line_of_template(house, contact, one.name)) for one in answering.offered(house)]
    return {
        "conversation": row,
        "contact": contact,
        "said": await _said(session, contact.id),
        "form": form,
        "choice": Form.blank(ApprovedForm),
        "closes": window_closes(contact.last_inbound_at) if is_windowed else None,
        "is_closed": is_windowed and not window_is_open(contact.last_inbound_at, clock.now()),
        "offered": [Option(one.name, line.text) for one, line in lines],
    }


async def _said(session: ReadSession, contact_id: UUID) -> list[Shown]:
    """What was said in a chat, oldest first."""
    theirs = [_theirs(row) for row in await chats.heard(session, contact_id, _LINES)]
    ours = [_ours(row) for row in await chats.said(session, contact_id, _LINES)]
    theirs.reverse()
    ours.reverse()
    return sorted([*theirs, *ours], key=lambda one: one.at)


def _theirs(row: InboundRow) -> Shown:
    text = str(row.content.get("text") or "")
    facts = row.content.get("facts")
    if row.kind == "location" and isinstance(facts, dict):
        names = [str(facts.get(one) or "") for one in ("name", "address")]
        place = ", ".join(str(facts.get(one) or "") for one in ("latitude", "longitude"))
        text = "\n".join(dict.fromkeys(filter(None, [text, *names, place])))
    path = f"{_FILES}/{row.id}" if row.file_id else ""
    status = gettext(_MEDIA[row.media]) if row.media in _MEDIA else ""
    media = row.content.get("media")
    name = str(media.get("name") or "") if isinstance(media, dict) else ""
    return Shown(True, text, row.created_at, status, row.kind, file=path, name=name)


def _ours(row: MessageRow) -> Shown:
    status = gettext(STATUSES.get(row.status, row.status))
    error = gettext(ERRORS.get(row.error_code, row.error_code)) if row.error_code else ""
    if row.template != LINE:
        return Shown(False, row.template, row.created_at, status, error=error)
    line = line_of(row.data)
    return Shown(False, line.text or numbered(line), row.created_at, status, choices=line.choices, error=error)


_MEDIA = {"waiting": N_("On its way to us"), "failed": N_("Could not be had")}
