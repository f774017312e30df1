"""The phones: chats with their messages, as the person who holds one sees them.

A chat is with one of two numbers of the merchant's, Meta's (`cloud`) or Twilio's (`twilio`); whoever plays the provider
learns of what the person does through `listen`.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from pydantic import JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.store import Record
from tillhouse.sandbox.world import World

Via = Literal["cloud", "twilio"]
WINDOW_SECONDS = 24 * 3600
TYPING_SECONDS = 25


class Chat(Record):
    """One phone's chat with one number. The id is `{via}:{digits}`."""

    kind: ClassVar[str] = "chat"

    via: Via
    phone: str
    name: str
    user_id: str
    hides_phone: bool = False
    last_inbound: int | None = None
    typing_until_ms: int = 0


class Said(Record):
    """One message of a chat. `to` is the chat's id, `content` the message as its type has it on the wire."""

    kind: ClassVar[str] = "chat_message"

    to: str
    mine: bool  # the person's own
    type: str
    content: dict[str, JsonValue]
    status: str = "sent"
    at_ms: int
    callback: str = ""
    error: int | None = None
    reply_to: str = ""
    from_number: str = ""


class Media(Record):
    """A file on Meta's side, or Twilio's."""

    kind: ClassVar[str] = "chat_media"

    mime_type: str
    data: str
    sha256: str

    @property
    def content(self) -> bytes:
        return base64.b64decode(self.data)


Listener = Callable[[World, Chat, Said], None]
_written: dict[Via, Listener] = {}
_seen: dict[Via, Callable[[World, Said], None]] = {}


def listen(via: Via, written: Listener, seen: Callable[[World, Said], None]) -> None:
    """Have `written` called with what a person writes, and `seen` with each message of ours that they see."""
    _written[via], _seen[via] = written, seen


def chat_of(world: World, via: Via, phone: str, name: str = "") -> Chat:
    """The chat of a phone, made where there is none."""
    digits = phone.removeprefix("+")
    found = world.store.get(Chat, f"{via}:{digits}")
    if found is None:
        found = Chat(
            id=f"{via}:{digits}",
            created_at=world.clock.now_s(),
            via=via,
            phone=f"+{digits}",
            name=name or f"Person {digits[-4:]}",
            user_id=f"IN.{int(hashlib.sha256(digits.encode()).hexdigest()[:14], 16)}",
        )
        world.store.put(found)
    elif name and name != found.name:
        found.name = name
        world.store.put(found)
    return found


def by_user_id(world: World, via: Via, user_id: str) -> Chat | None:
    """The chat of whoever has this user id."""
    return next((chat for chat in world.store.find(Chat, {"user_id": user_id}) if chat.via == via), None)


def keep_media(world: World, mime_type: str, content: bytes) -> Media:
    """Keep a file."""
    media = Media(
        id=ids.bank_reference(16),
        created_at=world.clock.now_s(),
        mime_type=mime_type,
        data=base64.b64encode(content).decode(),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    world.store.put(media)
    return media


def write(
    world: World,
    chat: Chat,
    kind: str,
    content: Mapping[str, JsonValue],
    reply_to: str = "",
) -> Said:
    """The person writes. Whatever they saw before that is read."""
    see(world, chat)
    said = Said(
        id=f"wamid.{ids.token(40)}" if chat.via == "cloud" else ids.twilio_sid("SM"),
        created_at=world.clock.now_s(),
        to=chat.id,
        mine=True,
        type=kind,
        content=dict(content),
        at_ms=world.clock.now_ms(),
        reply_to=reply_to,
        status="delivered",
    )
    with world.store.transaction():
        chat.last_inbound, chat.typing_until_ms = world.clock.now_s(), 0
        world.store.put(chat)
        world.store.put(said)
        _written[chat.via](world, chat, said)
    return said


def see(world: World, chat: Chat) -> None:
    """The person looks at the chat: what was delivered is read."""
    for said in world.store.find(Said, {"to": chat.id}, limit=200):
        if not said.mine and said.status == "delivered":
            with world.store.transaction():
                said.status = "read"
                world.store.put(said)
                _seen[chat.via](world, said)


def messages(world: World, chat: Chat, limit: int = 200) -> list[Said]:
    """The messages of a chat, oldest first."""
    found = world.store.find(Said, {"to": chat.id}, limit=limit)
    found.reverse()  # of two in the same millisecond, the one that was written first
    return sorted(found, key=lambda said: said.at_ms)


def window_is_open(world: World, chat: Chat) -> bool:
    """Whether the business may write what it likes."""
    return chat.last_inbound is not None and world.clock.now_s() - chat.last_inbound < WINDOW_SECONDS


def is_typing(world: World, chat: Chat) -> bool:
    """Whether the business shows that it is typing."""
    return chat.typing_until_ms > world.clock.now_ms()


def stop_typing(world: World, chat: Chat) -> None:
    """A message ends the three dots."""
    if chat.typing_until_ms:
        chat.typing_until_ms = 0
        world.store.put(chat)
