"""What is said in a chat, in either direction, whoever carries it. Limits are WhatsApp's, the tightest of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from tillhouse.kernel.db import JsonObject, JsonValue

Kind = Literal[
    "text", "press", "image", "audio", "video", "document", "sticker", "location", "contacts", "reaction", "other"
]
MEDIA: frozenset[Kind] = frozenset({"image", "audio", "video", "document", "sticker"})
LONGEST_TEXT = 4096
LONGEST_WITH_BUTTONS = 1024
LONGEST_ID = 255  # of a provider's own: those that there are have some 60 characters, and are looked up by an index


@dataclass(frozen=True, slots=True)
class Choice:
    """A button (at most 20 characters) or a row of a list (at most 24, and 72 of `about`)."""

    id: str
    title: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Approved:
    """A template that the provider has approved, for when words of one's own are not allowed.

    `name` is Meta's (`cod_reminder`), or Twilio's content SID (`HX…`). `parameters` fill it in order.
    """

    name: str
    parameters: tuple[str, ...] = ()
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Line:
    """Something we say: a text, with up to 3 `buttons` or a list of up to 10 `rows`, or a file with a caption.

    A sentence marked with `N_` is said in the language of who reads it, its `{named}` fields filled from the memory.
    `outside`: what is said instead once 24 hours have passed since the person's last message.
    Raises `ValueError` for more than a phone can show.
    """

    text: str = ""
    buttons: tuple[Choice, ...] = ()
    rows: tuple[Choice, ...] = ()
    opens_list: str = "Choose"
    file_id: UUID | None = None
    outside: Approved | None = None

    def __post_init__(self) -> None:
        limit = LONGEST_WITH_BUTTONS if self.buttons or self.rows or self.file_id else LONGEST_TEXT
        if len(self.text) > limit or not (self.text or self.file_id):
            raise ValueError(f"a line says something, in at most {limit} characters")
        if self.buttons and self.rows:
            raise ValueError("a line has buttons or a list, not both")
        if len(self.buttons) > 3 or len(self.rows) > 10:
            raise ValueError("at most 3 buttons, or 10 rows of a list")
        _check(self.buttons, 20)
        _check(self.rows, 24)

    @property
    def choices(self) -> tuple[Choice, ...]:
        return self.buttons or self.rows

    def as_json(self) -> JsonObject:
        """As it is kept until it is sent."""
        return {
            "text": self.text,
            "buttons": [_choice(one) for one in self.buttons],
            "rows": [_choice(one) for one in self.rows],
            "opens_list": self.opens_list,
            "file_id": str(self.file_id) if self.file_id else None,
            "outside": None if self.outside is None else {
                "name": self.outside.name,
                "parameters": list(self.outside.parameters),
                "language": self.outside.language,
            },
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class MediaRef:
    """Where the provider keeps the bytes of an inbound message: its id, or its address."""

    id: str
    media_type: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message to us. `id` is the provider's, `choice` what a pressed button carries."""

    id: str
    kind: Kind
    sent_at: datetime
    text: str = ""
    choice: str = ""
    media: MediaRef | None = None
    reply_to: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> JsonObject:
        """As it is kept."""
        media: JsonValue = None
        if self.media:
            media = {"id": self.media.id, "type": self.media.media_type, "name": self.media.name}
        return {
            "text": self.text,
            "choice": self.choice,
            "reply_to": self.reply_to,
            "media": media,
            "facts": dict(self.facts),
        }


@dataclass(frozen=True, slots=True)
class Correspondent:
    """Who wrote, to which number of ours (`account`). One of `phone` (+, digits) and `user_id` is there."""

    account: str
    phone: str | None
    user_id: str | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that came in."""

    sender: Correspondent
    message: Incoming


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of a message of ours. `ours` is our own id where the provider gives it back."""

    id: str
    status: str
    error_code: str | None = None
    ours: str = ""


@dataclass(frozen=True, slots=True)
class Renamed:
    """Somebody goes by another number or user id from now on."""

    account: str
    before: Correspondent
    after: Correspondent


Delivered = Arrived | Reported | Renamed


def can_be_kept(text: str) -> str:
    """What somebody wrote, without the one character that a database keeps in no text."""
    return text.replace("\0", "")


def checked_id(text: str) -> str:
    """A provider's id or number, as it is. Raises `ValueError` for one that is none."""
    if len(text) > LONGEST_ID or "\0" in text:
        raise ValueError(f"an id has at most {LONGEST_ID} characters")
    return text


def phone_of(digits: str) -> str | None:
    """A phone number of its digits (+ and digits), None for what is none."""
    return f"+{digits}" if digits.isascii() and digits.isdecimal() else None


def line_of(found: JsonObject) -> Line:
    """The line that `Line.as_json` kept. Raises `ValueError` for one that is none."""
    outside = found.get("outside")
    file_id = found.get("file_id")
    return Line(
        text=str(found.get("text") or ""),
        buttons=_choices(found.get("buttons")),
        rows=_choices(found.get("rows")),
        opens_list=str(found.get("opens_list") or "Choose"),
        file_id=UUID(str(file_id)) if file_id else None,
        outside=_approved(outside) if isinstance(outside, dict) else None,
    )


def numbered(line: Line) -> str:
    """The line where there are no buttons: its choices are written below it with numbers."""
    choices = [f"{number}. {one.title}" for number, one in enumerate(line.choices, 1)]
    return "\n".join([line.text, *choices]) if choices else line.text


def _approved(found: JsonObject) -> Approved:
    parameters = found.get("parameters")
    given = tuple(str(one) for one in parameters) if isinstance(parameters, list) else ()
    return Approved(str(found["name"]), given, str(found.get("language") or "en"))


def _choice(choice: Choice) -> JsonValue:
    return {"id": choice.id, "title": choice.title, "about": choice.about}


def _choices(found: JsonValue) -> tuple[Choice, ...]:
    if not isinstance(found, list):
        return ()
    return tuple(
        Choice(str(one["id"]), str(one["title"]), str(one.get("about") or "")) for one in found if isinstance(one, dict)
    )


def _check(choices: tuple[Choice, ...], longest: int) -> None:
    for one in choices:
        if not one.title or len(one.title) > longest or len(one.about) > 72:
            raise ValueError(f"{one.title!r}: a title has 1 to {longest} characters, what is said about it at most 72")
    if len({one.id for one in choices}) != len(choices) or len({one.title for one in choices}) != len(choices):
        raise ValueError("choices differ in their ids and in their titles")
