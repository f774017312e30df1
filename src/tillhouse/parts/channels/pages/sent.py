"""Staff pages of what was sent: every message with its states and the ways that were tried, and who said stop.

Neither shows an address or a text: a message names its template, whose words have a page of their own.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import InvalidInput, NotFound
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.paging import cut, decode_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.filters import Day, begin_of, end_of, filter_of, is_filtered, valid
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import LANGUAGES, gettext
from tillhouse.kernel.web.sheets import csv_download
from tillhouse.parts.channels.domain.messages import CHANNELS, Channel, Status, masked
from tillhouse.parts.channels.models import MessageRow
from tillhouse.parts.channels.pages.own import channel_names
from tillhouse.parts.channels.service import rendering
from tillhouse.parts.channels.store import sent
from tillhouse.parts.identity import api as identity

_HOME = "/console/channels/messages"
_PAGE, _BITE = 50, 500
_COLUMNS = ("id", "created_at", "template", "channel", "language", "purpose", "status", "error", "provider",
            "provider_id", "person_id", "updated_at")  # fmt: skip

STATUSES: dict[str, str] = {
    "queued": N_("Waiting"),
    "unknown": N_("Outcome unknown"),
    "sent": N_("Handed over"),
    "delivered": N_("Arrived"),
    "read": N_("Read"),
    "failed": N_("Failed"),
}
TONES = {"queued": "info", "unknown": "warning", "sent": "info", "delivered": "success", "read": "success"}
ERRORS: dict[str, str] = {
    "no_consent": N_("The person does not want it"),
    "window_closed": N_("24 hours after their last message only approved texts may be sent"),
    "code_no_longer_good": N_("Its code had been used or was too old"),
    "unreachable": N_("The provider could not be reached"),
    "gave_up": N_("Its job came to no end"),
    "not_configured": N_("Nothing carries this channel here"),
    "no_device": N_("No phone or browser takes notifications"),
}
# Who carried it, as they call themselves; "in_app" needs nobody.
CARRIERS: dict[str, str] = {
    "smtp": N_("The mail server"),
    "twilio": "Twilio",
    "whatsapp": "Meta",
    "fcm": "Firebase",
    "web": N_("The browser's push service"),
    "simulator": N_("The simulator"),
}
SOURCES: dict[str, str] = {
    "settings": N_("In their account"),
    "link": N_("By the link in a mail"),
    "chat": N_("In a chat"),
    "checkout": N_("While paying"),
}

router = APIRouter()
Staff = Annotated[Principal, Depends(require("channels.messages"))]


class SentForm(BaseModel):
    """The filter as it stands in the address."""

    who: str | None = Field(default=None, max_length=254)
    status: Status | None = None
    channel: Channel | None = None
    template: str | None = Field(default=None, max_length=100)
    first: Day | None = None
    last: Day | None = None


@router.get(_HOME)
async def messages(
    request: Request, session: Read, house: TheHouse, _staff: Staff, pages: Pages, cursor: str | None = None
) -> Response:
    """Messages that fit, newest first."""
    form = filter_of(request, SentForm)
    wanted = await _wanted(session, form)
    before = decode_id(cursor) if cursor else None
    rows = await sent.messages(session, wanted, limit=_PAGE + 1, before=before) if form.is_valid else ()
    shown, following = cut(rows, _PAGE, lambda row: (str(row.id),))
    context = {
        **_words(),
        "rows": shown,
        "names": await _names(session, [row.person_id for row in shown]),
        "following": following,
        "cursor": cursor,
        "filtered": is_filtered(form),
        "status_options": [Option(code, gettext(title)) for code, title in STATUSES.items()],
        "channel_options": [Option(code, channel_names()[code]) for code in CHANNELS],
        "template_options": [Option(one.name, one.name) for one in rendering.templates(house)],
    }
    return pages.render_form(request, "channels/messages.html", form, context, fragment="channels/_messages.html")


@router.get(_HOME + ".csv")
async def messages_csv(request: Request, session: Read, house: TheHouse, _staff: Staff) -> Response:
    """The same, all of it, for a spreadsheet. Without addresses."""
    form = filter_of(request, SentForm)
    wanted = await _wanted(session, form)
    valid(form)

    async def rows(reading: ReadSession) -> AsyncIterator[Sequence[object]]:
        before: UUID | None = None
        while bite := await sent.messages(reading, wanted, limit=_BITE, before=before):
            for row in bite:
                yield _cells(row)
            before = bite[-1].id

    return csv_download("messages", _COLUMNS, house.database, rows)


@router.get(_HOME + "/{message_id}")
async def message(request: Request, session: Read, _staff: Staff, pages: Pages, message_id: UUID) -> Response:
    """One message: where it went, what became of it, and every way that was tried."""
    row = await sent.message(session, message_id)
    if row is None:
        raise NotFound(N_("There is no such message. Messages are kept for 90 days."))
    tried = await sent.ways_tried(session, row)
    context = {
        **_words(),
        "message": row,
        "tried": tried,
        "following": [channel_names()[one] for one in CHANNELS if one in tried[-1].fallbacks],
        "names": await _names(session, [row.person_id]),
        "language": LANGUAGES[row.locale].name if row.locale in LANGUAGES else row.locale,
        "has_template": row.template != rendering.LINE,
    }
    return pages.render_page(request, "channels/message.html", context)


@router.get("/console/channels/opt-outs")
async def opt_outs(request: Request, session: Read, _staff: Staff, pages: Pages, cursor: str | None = None) -> Response:
    """Addresses from which somebody said stop, and what people said of messages lately."""
    before = decode_id(cursor) if cursor else None
    rows = await sent.opt_outs(session, limit=_PAGE + 1, before=before)
    shown, following = cut(rows, _PAGE, lambda row: (str(row.id),))
    said = await sent.said_of_offers(session, limit=_PAGE)
    context = {
        **_words(),
        "rows": shown,
        "said": said,
        "names": await _names(session, [row.person_id for row in said]),
        "following": following,
        "cursor": cursor,
    }
    return pages.render_page(request, "channels/opt_outs.html", context)


async def _wanted(session: ReadSession, form: Form[SentForm]) -> sent.SentFilter:
    """What the form asks for: whoever has this address here, or the address itself where nobody has."""
    if not form.is_valid:
        return sent.SentFilter()
    asked = form.data
    address, person_id = await _whose(session, form, asked.who) if asked.who else (None, None)
    return sent.SentFilter(
        status=asked.status,
        channel=asked.channel,
        template=asked.template,
        address=address,
        person_id=person_id,
        since=begin_of(asked.first) if asked.first else None,
        until=end_of(asked.last) if asked.last else None,
    )


async def _whose(session: ReadSession, form: Form[SentForm], who: str) -> tuple[str | None, UUID | None]:
    try:
        return None, UUID(who)
    except ValueError:
        pass
    try:
        identifier = identity.parse_identifier(who)
    except InvalidInput:
        form.refuse_field("who", gettext("Write an e-mail, a mobile number or an id."))
        return None, None
    person = await identity.person_by_identifier(session, identifier)
    return (None, person.id) if person else (identifier.value, None)


async def _names(session: ReadSession, ids: Sequence[UUID | None]) -> dict[UUID, str]:
    wanted = {one for one in ids if one}
    return dict(await identity.names(session, wanted)) if wanted else {}


def _words() -> dict[str, object]:
    return {
        "channels": channel_names(),
        "statuses": {code: gettext(title) for code, title in STATUSES.items()},
        "tones": TONES,
        "errors": {code: gettext(title) for code, title in ERRORS.items()},
        "carriers": {code: gettext(title) for code, title in CARRIERS.items()},
        "sources": {code: gettext(title) for code, title in SOURCES.items()},
        "masked": masked,
    }


def _cells(row: MessageRow) -> Sequence[object]:
    return (row.id, row.created_at.isoformat(), row.template, row.channel, row.locale, row.purpose, row.status,
            row.error_code or "", row.provider or "", row.provider_id or "", row.person_id or "",
            row.updated_at.isoformat())  # fmt: skip
