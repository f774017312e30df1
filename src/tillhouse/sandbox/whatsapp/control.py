"""The phone in the browser, at `/_sandbox/whatsapp`, and its API twin: what a person taps, types and sends."""

from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.datastructures import UploadFile

from tillhouse.sandbox.rendering import answer, done, wish_of
from tillhouse.sandbox.whatsapp import phone as phones
from tillhouse.sandbox.whatsapp.cloud import new_user_id, text_of
from tillhouse.sandbox.whatsapp.phone import Chat, Media, Said, Via
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/_sandbox/whatsapp")
_LARGEST = 16_000_000


class NewChat(BaseModel):
    """A phone to hold."""

    model_config = ConfigDict(extra="forbid")

    phone: str = Field(pattern=r"^\+?[1-9]\d{6,14}$")
    name: str = Field(default="", max_length=60)
    via: Via = "cloud"
    hides_phone: bool = False


class Written(BaseModel):
    """What the person does: types, taps a button or a row (`id`) of a message, or shares where they are."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text", "press", "location"] = "text"
    text: str = Field(default="", max_length=4096)
    message_id: str = ""
    id: str = ""
    latitude: float = 0.0
    longitude: float = 0.0


class Bubble(BaseModel):
    """One message as the phone shows it."""

    id: str
    mine: bool
    type: str
    text: str
    media: str | None
    buttons: list[dict[str, str]]
    rows: list[dict[str, str]]
    opens_list: str
    status: str
    at: datetime


class Phone(BaseModel):
    """A chat as the phone shows it."""

    id: str
    via: Via
    phone: str
    name: str
    hides_phone: bool
    user_id: str
    typing: bool
    window_open: bool
    messages: list[Bubble]


@router.get("")
async def chats(request: Request, world: Here) -> Response:
    """Every phone that chats, and a form to take another."""
    found = world.store.find(Chat)
    last = {chat.id: next(iter(world.store.find(Said, {"to": chat.id}, limit=1)), None) for chat in found}
    shown = [
        {"chat": chat, "last": _words(said) or text_of(said) if said else ""}
        for chat in found
        for said in [last[chat.id]]
    ]
    return answer(request, "whatsapp/chats.html", {"chats": shown}, [one["chat"] for one in shown])


@router.post("")
async def take_phone(request: Request, world: Here) -> Response:
    """Take a phone: a number, a name, and which of our numbers it writes to."""
    wish = await wish_of(request, NewChat)
    chat = phones.chat_of(world, wish.via, wish.phone, wish.name)
    chat.hides_phone = wish.hides_phone
    world.store.put(chat)
    return done(request, _phone(world, chat), f"/_sandbox/whatsapp/{chat.id}")


@router.get("/media/{media_id}")
async def picture(world: Here, media_id: str) -> Response:
    """A file of a chat, for the phone."""
    found = world.store.get(Media, media_id)
    if found is None:
        raise HTTPException(404, "There is no such file.")
    return Response(found.content, media_type=found.mime_type, headers={"Content-Security-Policy": "sandbox"})


@router.get("/{chat_id}")
async def chat_window(request: Request, world: Here, chat_id: str) -> Response:
    """One phone's chat. Looking at it reads it."""
    chat = _chat(world, chat_id)
    phones.see(world, chat)
    shown = _phone(world, chat)
    return answer(request, "whatsapp/chat.html", {"phone": shown}, shown)


@router.post("/{chat_id}/messages")
async def write(request: Request, world: Here, chat_id: str) -> Response:
    """Type, or tap a button or a row."""
    chat, wish = _chat(world, chat_id), await wish_of(request, Written)
    if wish.type == "text":
        if not wish.text.strip():
            raise HTTPException(422, "Write something.")
        said = phones.write(world, chat, "text", {"body": wish.text})
    elif wish.type == "press":
        said = _press(world, chat, wish)
    else:
        place: dict[str, JsonValue] = {"latitude": wish.latitude, "longitude": wish.longitude, "name": wish.text}
        said = phones.write(world, chat, "location", place)
    return done(request, _bubble(said), f"/_sandbox/whatsapp/{chat.id}")


@router.post("/{chat_id}/photos")
async def send_photos(request: Request, world: Here, chat_id: str) -> Response:
    """Send pictures or other files, each a message of its own, as a phone does."""
    chat, sent = _chat(world, chat_id), []
    async with request.form() as form:
        for file in form.getlist("file"):
            if isinstance(file, UploadFile) and (content := await _read(file)):
                sent.append(_send_file(world, chat, file, content))
    if not sent:
        raise HTTPException(422, "Choose a file.")
    return done(request, [_bubble(said) for said in sent], f"/_sandbox/whatsapp/{chat.id}")


@router.post("/{chat_id}/new-number")
async def change_number(request: Request, world: Here, chat_id: str) -> Response:
    """The person changes the number: their user id is another from now on."""
    chat = _chat(world, chat_id)
    if chat.via != "cloud":
        raise HTTPException(422, "Only Meta's own API tells of it.")
    new_user_id(world, chat)
    return done(request, _phone(world, chat), f"/_sandbox/whatsapp/{chat.id}")


async def _read(file: UploadFile) -> bytes:
    content = await file.read()
    if len(content) > _LARGEST:
        raise HTTPException(413, "A chat takes files of up to 16 MB.")
    return content


def _send_file(world: World, chat: Chat, file: UploadFile, content: bytes) -> Said:
    mime_type = file.content_type or "application/octet-stream"
    media = phones.keep_media(world, mime_type, content)
    kind = mime_type.partition("/")[0]
    kind = kind if kind in ("image", "audio", "video") else "document"
    said: dict[str, JsonValue] = {"id": media.id, "mime_type": mime_type, "sha256": media.sha256}
    if kind == "document":
        said["filename"] = file.filename or "file"
    return phones.write(world, chat, kind, said)


def _press(world: World, chat: Chat, wish: Written) -> Said:
    asked = world.store.get(Said, wish.message_id)
    shown = _bubble(asked) if asked and asked.to == chat.id else None
    for kind, choices in (("button_reply", shown.buttons), ("list_reply", shown.rows)) if shown else ():
        for one in choices:
            if one["id"] == wish.id:
                reply: dict[str, JsonValue] = {"id": one["id"], "title": one["title"]}
                if kind == "list_reply" and one["about"]:
                    reply["description"] = one["about"]
                content: dict[str, JsonValue] = {"type": kind, kind: reply}
                return phones.write(world, chat, "interactive", content, reply_to=wish.message_id)
    raise HTTPException(422, "There is no such button on this message.")


def _chat(world: World, chat_id: str) -> Chat:
    found = world.store.get(Chat, chat_id)
    if found is None:
        raise HTTPException(404, "There is no such phone.")
    return found


def _phone(world: World, chat: Chat) -> Phone:
    shown = [_bubble(said) for said in phones.messages(world, chat) if said.mine or said.status in _SEEN]
    return Phone(
        **chat.model_dump(include={"id", "via", "phone", "name", "hides_phone", "user_id"}),
        typing=phones.is_typing(world, chat),
        window_open=phones.window_is_open(world, chat),
        messages=shown,
    )


_SEEN = ("delivered", "read", "sent")


def _bubble(said: Said) -> Bubble:
    content = said.content
    action = content.get("action") if said.type == "interactive" and not said.mine else None
    found = action if isinstance(action, dict) else {}
    media_id = content.get("id") if said.type in ("image", "audio", "video", "document", "sticker") else None
    return Bubble(
        id=said.id,
        mine=said.mine,
        type=said.type,
        text=_words(said),
        media=f"/_sandbox/whatsapp/media/{media_id}" if media_id else None,
        buttons=[_choice(one.get("reply")) for one in _dicts(found.get("buttons"))],
        rows=[_choice(row) for section in _dicts(found.get("sections")) for row in _dicts(section.get("rows"))],
        opens_list=str(found.get("button") or ""),
        status=said.status,
        at=datetime.fromtimestamp(said.at_ms / 1000, UTC),
    )


def _words(said: Said) -> str:
    if said.mine and said.type == "interactive":
        kind = str(said.content.get("type"))
        reply = said.content.get(kind)
        return str(reply.get("title", "")) if isinstance(reply, dict) else ""
    if said.type == "location":
        return f"{said.content.get('latitude')}, {said.content.get('longitude')}"
    if said.type in ("image", "audio", "video", "document", "sticker"):
        return str(said.content.get("caption") or said.content.get("filename") or "")
    return text_of(said)


def _dicts(found: JsonValue) -> list[dict[str, JsonValue]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _choice(found: JsonValue) -> dict[str, str]:
    one = found if isinstance(found, dict) else {}
    return {"id": str(one.get("id", "")), "title": str(one.get("title", "")), "about": str(one.get("description", ""))}
