"""What Meta delivers to our webhook, in our own words: messages, statuses, and who goes by another name.

A delivery may hold several of each, may come twice and in any order, and holds kinds that we have never heard of: those
become `other`. Since April 2026 a user id of our business's scope may be all that says who writes.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from tillhouse.parts.channels.domain.chat import (
    MEDIA,
    Arrived,
    Correspondent,
    Delivered,
    Incoming,
    Kind,
    MediaRef,
    Renamed,
    Reported,
    can_be_kept,
    checked_id,
    phone_of,
)

_Id = Annotated[str, AfterValidator(checked_id)]
_Words = Annotated[str, AfterValidator(can_be_kept)]
_CHANGED = re.compile(r"changed from (\S{1,255}) to (\S{1,255})$")
_LAST = 253_402_300_799  # the last second that has a date


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Media(_Wire):
    id: _Id
    mime_type: _Words = ""
    caption: _Words = ""
    filename: _Words = ""


class _Reply(_Wire):
    id: _Words
    title: _Words = ""
    description: _Words = ""


class _Interactive(_Wire):
    type: _Words
    button_reply: _Reply | None = None
    list_reply: _Reply | None = None
    nfm_reply: dict[str, object] | None = None


class _Text(_Wire):
    body: _Words = ""


class _Button(_Wire):
    text: _Words = ""
    payload: _Words = ""


class _Location(_Wire):
    latitude: float = Field(allow_inf_nan=False)
    longitude: float = Field(allow_inf_nan=False)
    name: _Words = ""
    address: _Words = ""


class _Reaction(_Wire):
    message_id: _Words = ""
    emoji: _Words = ""


class _System(_Wire):
    type: _Words = ""
    body: _Words = ""
    wa_id: _Id = ""
    new_wa_id: _Id = ""
    user_id: _Id = ""
    previous_user_id: _Id = ""


class _Context(_Wire):
    id: _Words = ""


class _Message(_Wire):
    id: _Id
    timestamp: int = Field(ge=0, le=_LAST)
    type: _Words = "unsupported"
    sender: _Id = Field(default="", alias="from")
    from_user_id: _Id = ""
    context: _Context | None = None
    text: _Text | None = None
    image: _Media | None = None
    audio: _Media | None = None
    video: _Media | None = None
    document: _Media | None = None
    sticker: _Media | None = None
    interactive: _Interactive | None = None
    button: _Button | None = None
    location: _Location | None = None
    reaction: _Reaction | None = None
    system: _System | None = None


class _Profile(_Wire):
    name: _Words = ""
    username: _Words = ""


class _Contact(_Wire):
    profile: _Profile = _Profile()
    wa_id: _Id = ""
    user_id: _Id = ""


class _Error(_Wire):
    code: int = 0


class _Status(_Wire):
    id: _Id
    status: _Words
    errors: list[_Error] = []
    biz_opaque_callback_data: _Words = ""


class _Metadata(_Wire):
    phone_number_id: _Id


class _UserId(_Wire):
    previous: _Id = ""
    current: _Id = ""


class _IdUpdate(_Wire):
    wa_id: _Id = ""
    user_id: _UserId


class _Value(_Wire):
    metadata: _Metadata
    contacts: list[_Contact] = []
    messages: list[_Message] = []
    statuses: list[_Status] = []
    user_id_update: list[_IdUpdate] = []


class _Change(_Wire):
    field: _Words = ""
    value: dict[str, object] = {}


class _Entry(_Wire):
    changes: list[_Change] = []


class _Envelope(_Wire):
    object: str
    entry: list[_Entry] = []


def is_signed(secret: str, body: bytes, signature: str) -> bool:
    """Whether Meta signed this delivery: `sha256=` and the hex HMAC-SHA256 of the raw bytes under the app's secret."""
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return bool(secret) and hmac.compare_digest(expected.encode(), signature.encode())


def read_delivery(body: str) -> Sequence[Delivered]:
    """All that one delivery says. Raises `ValueError` for one that is not WhatsApp's."""
    try:
        envelope = _Envelope.model_validate_json(body)
        return [one for entry in envelope.entry for change in entry.changes for one in _read(change)]
    except ValidationError as error:
        raise ValueError(f"{error.error_count()} things in this delivery are not as Meta writes them") from None


def _read(change: _Change) -> Iterator[Delivered]:
    if change.field not in ("messages", "user_id_update"):
        return  # what else an account may subscribe to is not about a chat
    value = _Value.model_validate(change.value)
    account = value.metadata.phone_number_id
    for update in value.user_id_update:
        phone = phone_of(update.wa_id)
        if not phone and not (update.user_id.previous and update.user_id.current):
            raise ValueError("a new user id of nobody")
        before = Correspondent(account, phone, update.user_id.previous or None)
        yield Renamed(account, before, Correspondent(account, phone, update.user_id.current or None))
    for message in value.messages:
        if message.type != "system":
            yield Arrived(_sender(account, message, value.contacts), _incoming(message))
        elif renamed := _renamed(account, message, value.contacts):
            yield renamed
    for status in value.statuses:
        code = str(status.errors[0].code) if status.errors else None
        yield Reported(status.id, status.status, code, status.biz_opaque_callback_data)


def _contact_of(message: _Message, contacts: Sequence[_Contact]) -> _Contact:
    return next(
        (
            one
            for one in contacts
            if (one.wa_id and one.wa_id == message.sender) or (one.user_id and one.user_id == message.from_user_id)
        ),
        contacts[0] if len(contacts) == 1 else _Contact(),
    )


def _sender(account: str, message: _Message, contacts: Sequence[_Contact]) -> Correspondent:
    known = _contact_of(message, contacts)
    phone = phone_of(message.sender or known.wa_id)
    user_id = message.from_user_id or known.user_id or None
    if phone is None and user_id is None:
        raise ValueError("a message from nobody")
    return Correspondent(account, phone, user_id, known.profile.name or known.profile.username)


def _renamed(account: str, message: _Message, contacts: Sequence[_Contact]) -> Renamed | None:
    """Who goes by another name, by Meta's own word: nobody has written. None where it says nothing of a name."""
    system, known = message.system or _System(), _contact_of(message, contacts)
    after, user_id = phone_of(system.wa_id or system.new_wa_id), system.user_id or None
    before = phone_of(message.sender or known.wa_id)
    ids = (_former_id(system), message.from_user_id, known.user_id)
    former = next((one for one in ids if one and one != user_id), None)
    if not (after or user_id) or not (before or former):
        return None
    name = known.profile.name or known.profile.username
    return Renamed(
        account, Correspondent(account, before, former, name), Correspondent(account, after or before, user_id)
    )


def _former_id(system: _System) -> str:
    """The user id of before. Where numbers are hidden, a sentence is all that tells it ("… changed from … to …")."""
    said = _CHANGED.search(system.body)
    told = said[1] if said and said[2] == system.user_id else ""
    return system.previous_user_id or told


def _incoming(message: _Message) -> Incoming:
    kind, text, choice, media = _content(message)
    facts: Mapping[str, str] = {}
    if message.location:
        place = message.location
        facts = {
            "latitude": str(place.latitude),
            "longitude": str(place.longitude),
            "name": place.name,
            "address": place.address,
        }
    elif message.reaction:
        facts = {"message_id": message.reaction.message_id}
    elif kind == "other":
        facts = {"type": message.type}
    sent_at = datetime.fromtimestamp(message.timestamp, UTC)
    reply_to = message.context.id if message.context else ""
    return Incoming(message.id, kind, sent_at, text, choice, media, reply_to, facts)


def _content(message: _Message) -> tuple[Kind, str, str, MediaRef | None]:
    if message.text:
        return "text", message.text.body, "", None
    if message.interactive:
        reply = message.interactive.button_reply or message.interactive.list_reply
        return ("press", reply.title, reply.id, None) if reply else ("other", "", "", None)
    if message.button:
        return "press", message.button.text, message.button.payload, None
    for kind in sorted(MEDIA):
        found = getattr(message, kind)
        if isinstance(found, _Media):
            return kind, found.caption, "", MediaRef(found.id, found.mime_type, found.filename)
    if message.location:
        return "location", message.location.name or message.location.address, "", None
    if message.reaction:
        return "reaction", message.reaction.emoji, "", None
    return ("contacts" if message.type == "contacts" else "other"), "", "", None
