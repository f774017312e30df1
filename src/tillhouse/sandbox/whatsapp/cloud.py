"""`/whatsapp/v…/{phone number}/messages` and `…/media`: Meta's Cloud API, and its webhook.

Accepted is not delivered: what becomes of a message comes as a status, an error (131047 after 24 hours, 131026 for a
phone that is not on WhatsApp) too.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Header, Request, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.webhooks import Delivery, Policy
from tillhouse.sandbox.whatsapp import phone as phones
from tillhouse.sandbox.whatsapp.errors import GraphError, error_of
from tillhouse.sandbox.whatsapp.phone import Chat, Media, Said
from tillhouse.sandbox.world import Here, World

PREFIX = "/whatsapp"
UNREACHABLE = "15005550010"
_STEP_SECONDS = 30.0
_URL_SECONDS = 300
_LIMITS = {"image": 5_000_000, "audio": 16_000_000, "video": 16_000_000}
_TYPES = ("text", "image", "audio", "video", "document", "sticker", "interactive", "template", "location", "reaction")
_PREVIEW = {"image": "📷 Photo", "audio": "🎤 Audio", "video": "🎥 Video", "document": "📄 Document"}


class _Wire(BaseModel):
    model_config = ConfigDict(extra="allow")


class SendBody(_Wire):
    """A message, or word that one was read."""

    messaging_product: str = ""
    to: str = ""
    recipient: str = ""
    type: str = "text"
    status: str = ""
    message_id: str = ""
    typing_indicator: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    biz_opaque_callback_data: str = Field(default="", max_length=512)


def _authorised(world: Here, authorization: Annotated[str, Header()] = "") -> None:
    expected = f"Bearer {world.settings.whatsapp_token}"
    if not hmac.compare_digest(authorization.encode(), expected.encode()):
        raise GraphError(190, status=401)


router = APIRouter(prefix=PREFIX, dependencies=[Depends(_authorised)])


@router.post("/{version}/{number}/messages")
async def send(world: Here, number: str, body: SendBody) -> dict[str, JsonValue]:
    """Accept a message, or mark one as read. Meta has no idempotency: twice is two messages."""
    _check_number(world, number)
    if body.messaging_product != "whatsapp":
        raise GraphError(100, "(#100) The parameter messaging_product is required.")
    if body.status:
        return _mark_read(world, body)
    content = _content(body)
    chat = _recipient(world, body)
    if body.type == "template":
        content = _template(world, content)
    said = Said(
        id=f"wamid.{ids.token(40)}",
        created_at=world.clock.now_s(),
        to=chat.id,
        mine=False,
        type=body.type,
        content=content,
        status="accepted",
        at_ms=world.clock.now_ms(),
        callback=body.biz_opaque_callback_data,
        reply_to=str((body.context or {}).get("message_id", "")),
        from_number=number,
    )
    with world.store.transaction():
        world.store.put(said)
        world.agenda.plan("whatsapp.advance", said.id, _STEP_SECONDS)
    known: dict[str, JsonValue] = {"input": body.to or body.recipient}
    known |= {"wa_id": chat.phone.removeprefix("+")} if body.to else {"user_id": chat.user_id}
    return {"messaging_product": "whatsapp", "contacts": [known], "messages": [{"id": said.id}]}


@router.post("/{version}/{number}/media")
async def upload(
    world: Here,
    number: str,
    file: Annotated[UploadFile, File()],
    messaging_product: Annotated[str, Form()] = "",
    type: Annotated[str, Form()] = "",  # noqa: A002  Meta's word
) -> dict[str, str]:
    """Keep a file to be sent."""
    _check_number(world, number)
    if messaging_product != "whatsapp":
        raise GraphError(100, "(#100) The parameter messaging_product is required.")
    content, mime_type = await file.read(), type or file.content_type or "application/octet-stream"
    if len(content) > _LIMITS.get(mime_type.partition("/")[0], 100_000_000):
        raise GraphError(131053, "The file is larger than this type may be.")
    return {"id": phones.keep_media(world, mime_type, content).id}


@router.get("/{version}/{media_id}")
async def media(request: Request, world: Here, version: str, media_id: str) -> dict[str, JsonValue]:
    """Where a file is, for five minutes."""
    found = world.store.get(Media, media_id)
    if found is None:
        raise GraphError(100, f"Object with ID '{media_id}' does not exist")
    until = world.clock.now_s() + _URL_SECONDS
    url = f"{str(request.base_url).rstrip('/')}{PREFIX}/lookaside/{media_id}/{until}"
    return {
        "messaging_product": "whatsapp",
        "url": url,
        "mime_type": found.mime_type,
        "sha256": found.sha256,
        "file_size": len(found.content),
        "id": media_id,
    }


@router.delete("/{version}/{media_id}")
async def delete_media(world: Here, media_id: str) -> dict[str, bool]:
    """Delete a file."""
    return {"success": world.store.delete(Media, media_id)}


@router.get("/lookaside/{media_id}/{until}")
async def download(world: Here, media_id: str, until: int) -> Response:
    """The bytes, with the token, while the address is good."""
    found = world.store.get(Media, media_id)
    if found is None or until < world.clock.now_s():
        return Response(status_code=404)
    return Response(found.content, media_type=found.mime_type)


def register(world: World) -> None:
    """Teach the outgoing queue Meta's signature and patience, the agenda its steps, and the phones whom to tell."""
    world.webhooks.register(
        "whatsapp",
        Policy(
            timeout=10.0,
            first_retry=10.0,
            give_up_after=7 * 24 * 3600.0,
            retries_on_refusal=True,
            disables=False,
            sign=lambda delivery: _sign(world, delivery),
        ),
    )
    world.agenda.register("whatsapp.advance", lambda wamid: _advance(world, wamid))
    phones.listen("cloud", _written, _report)


def _sign(world: World, delivery: Delivery) -> Mapping[str, str]:
    secret = world.settings.whatsapp_app_secret.encode()
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret, delivery.body.encode(), hashlib.sha256).hexdigest()}


def deliver(world: World, name: str, value: Mapping[str, JsonValue], event_id: str | None = None) -> Delivery:
    """Queue one delivery with the envelope around `value`."""
    settings = world.settings
    metadata: dict[str, JsonValue] = {
        "display_phone_number": settings.whatsapp_display_number,
        "phone_number_id": settings.whatsapp_phone_number_id,
    }
    whole: dict[str, JsonValue] = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    field = "user_id_update" if name == "user_id_update" else "messages"
    change: JsonValue = {"field": field, "value": whole}
    entry: JsonValue = {"id": settings.whatsapp_account_id, "changes": [change]}
    return world.webhooks.enqueue(
        provider="whatsapp",
        event=name,
        url=settings.whatsapp_webhook_url,
        body=json.dumps({"object": "whatsapp_business_account", "entry": [entry]}, separators=(",", ":")),
        event_id=event_id,
    )


def send_any(world: World, name: str, content: dict[str, JsonValue], event_id: str | None) -> Delivery:
    """An event of any content, rightly signed: `content` is what lies beside the metadata."""
    return deliver(world, name, content, event_id)


def new_user_id(world: World, chat: Chat) -> None:
    """The person changed the number: from now on they have another user id, and Meta says so."""
    previous, chat.user_id = chat.user_id, f"IN.{ids.bank_reference(16)}"
    with world.store.transaction():
        world.store.put(chat)
        update: dict[str, JsonValue] = {"user_id": {"previous": previous, "current": chat.user_id}}
        if not chat.hides_phone:
            update["wa_id"] = chat.phone.removeprefix("+")
        deliver(world, "user_id_update", {"user_id_update": [update]})


def _written(world: World, chat: Chat, said: Said) -> None:
    contact: dict[str, JsonValue] = {"profile": {"name": chat.name}, "user_id": chat.user_id}
    message: dict[str, JsonValue] = {
        "id": said.id,
        "timestamp": str(said.created_at),
        "type": said.type,
        "from_user_id": chat.user_id,
        said.type: said.content,
    }
    if not chat.hides_phone:
        contact["wa_id"] = message["from"] = chat.phone.removeprefix("+")
    if said.reply_to:
        message["context"] = {"from": world.settings.whatsapp_display_number, "id": said.reply_to}
    deliver(world, f"message.{said.type}", {"contacts": [contact], "messages": [message]})


def _report(world: World, said: Said) -> None:
    chat = world.store.get(Chat, said.to)
    status: dict[str, JsonValue] = {
        "id": said.id,
        "status": said.status,
        "timestamp": str(world.clock.now_s()),
        "recipient_user_id": chat.user_id if chat else "",
    }
    if chat and not chat.hides_phone:
        status["recipient_id"] = chat.phone.removeprefix("+")
    if said.callback:
        status["biz_opaque_callback_data"] = said.callback
    if said.error:
        status["errors"] = [error_of(said.error)]
    else:
        category = "utility" if said.type == "template" else "service"
        kind = "regular" if said.type == "template" else "free_customer_service"
        status["pricing"] = {
            "billable": said.type == "template", "pricing_model": "PMP", "type": kind, "category": category,
        }  # fmt: skip
    deliver(world, f"status.{said.status}", {"statuses": [status]})


def _advance(world: World, wamid: str) -> None:
    said = world.store.get(Said, wamid)
    chat = world.store.get(Chat, said.to) if said else None
    if said is None or chat is None or said.status not in ("accepted", "sent"):
        return
    if said.status == "accepted":
        if said.type != "template" and not phones.window_is_open(world, chat):
            said.status, said.error = "failed", 131047
        elif chat.phone == f"+{UNREACHABLE}":
            said.status, said.error = "failed", 131026
        else:
            said.status = "sent"
            world.agenda.plan("whatsapp.advance", said.id, _STEP_SECONDS)
    else:
        said.status = "delivered"
        phones.stop_typing(world, chat)
        world.inbox.receive(
            to=chat.phone, sender=world.settings.whatsapp_display_number, channel="whatsapp", body=text_of(said)
        )
    world.store.put(said)
    _report(world, said)


def text_of(said: Said) -> str:
    """The words of a message, for the inbox and for a list of chats."""
    content = said.content
    if said.type == "interactive":
        body = content.get("body")
        return str(body.get("text", "")) if isinstance(body, dict) else ""
    if said.type == "template":
        return str(content.get("rendered", ""))
    return str(content.get("body") or content.get("caption") or _PREVIEW.get(said.type, said.type))


def _check_number(world: World, number: str) -> None:
    if number != world.settings.whatsapp_phone_number_id:
        raise GraphError(33, f"Object with ID '{number}' does not exist")


def _mark_read(world: World, body: SendBody) -> dict[str, JsonValue]:
    said = world.store.get(Said, body.message_id)
    chat = world.store.get(Chat, said.to) if said else None
    if said is None or chat is None or not said.mine:
        raise GraphError(131009, "Message with the given ID does not exist")
    said.status = "read"
    world.store.put(said)
    if body.typing_indicator is not None:
        chat.typing_until_ms = world.clock.now_ms() + phones.TYPING_SECONDS * 1000
        world.store.put(chat)
    return {"success": True}


def _recipient(world: World, body: SendBody) -> Chat:
    if body.recipient:
        chat = phones.by_user_id(world, "cloud", body.recipient)
        if chat is None:
            raise GraphError(131009, "Recipient user id is not known to this business")
        return chat
    digits = body.to.removeprefix("+")
    if not digits.isdigit() or not 7 <= len(digits) <= 15:
        raise GraphError(131009 if digits else 131008, "The parameter to is required and is a phone number.")
    return phones.chat_of(world, "cloud", digits)


def _content(body: SendBody) -> dict[str, JsonValue]:
    found = (body.model_extra or {}).get(body.type)
    if body.type not in _TYPES or not isinstance(found, dict):
        raise GraphError(131009 if body.type not in _TYPES else 131008, f"Parameter {body.type} is not as it must be.")
    check = {"text": _check_text, "interactive": _check_interactive}.get(body.type)
    if check:
        check(found)
    return found


def _check_text(text: dict[str, Any]) -> None:
    if not 1 <= len(str(text.get("body", ""))) <= 4096:
        raise GraphError(100, "Param text['body'] must be at most 4096 characters long.")


def _check_interactive(found: dict[str, Any]) -> None:
    body = str((found.get("body") or {}).get("text", ""))
    action = found.get("action") or {}
    if not 1 <= len(body) <= 1024:
        raise GraphError(131009, "Body text length invalid. Min length: 1, Max length: 1024")
    if found.get("type") == "button":
        buttons = [one.get("reply", {}) for one in action.get("buttons", [])]
        if not 1 <= len(buttons) <= 3:
            raise GraphError(131009, "Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3")
        _check_choices(buttons, 256, 20)
    elif found.get("type") == "list":
        rows = [row for section in action.get("sections", []) for row in section.get("rows", [])]
        if not 1 <= len(rows) <= 10:
            raise GraphError(131009, "Total row count exceed max allowed count: 10")
        if not 1 <= len(str(action.get("button", ""))) <= 20:
            raise GraphError(131009, "Button label is too long. Max length: 20")
        _check_choices(rows, 200, 24)


def _check_choices(choices: list[dict[str, Any]], longest_id: int, longest_title: int) -> None:
    for one in choices:
        if (
            not 1 <= len(str(one.get("title", ""))) <= longest_title
            or not 1 <= len(str(one.get("id", ""))) <= longest_id
        ):
            raise GraphError(131009, f"Title: max {longest_title} characters; id: max {longest_id}")
    for field in ("id", "title"):
        if len({str(one[field]) for one in choices}) != len(choices):
            raise GraphError(131009, f"Duplicated button {field} is not allowed")


def _template(world: World, content: dict[str, JsonValue]) -> dict[str, JsonValue]:
    name, language = str(content.get("name", "")), content.get("language")
    code = str(language.get("code", "")) if isinstance(language, dict) else ""
    found = next((one for one in world.settings.whatsapp_templates if one[:2] == [name, code]), None)
    if found is None:
        raise GraphError(132001, f"template name ({name}) does not exist in {code}", 404)
    given = _parameters(content)
    text, expected = found[2], found[2].count("{{")
    if len(given) != expected:
        raise GraphError(132000, f"body: number of localizable_params ({len(given)}) does not match {expected}")
    for number, one in enumerate(given, 1):
        text = text.replace(f"{{{{{number}}}}}", one)
    return {**content, "rendered": text}


def _parameters(content: dict[str, JsonValue]) -> list[str]:
    components = content.get("components")
    return [
        str(one.get("text", ""))
        for component in (components if isinstance(components, list) else [])
        if isinstance(component, dict) and component.get("type") == "body"
        for one in (component.get("parameters") or [])  # type: ignore[union-attr]  # checked as JSON alone
        if isinstance(one, dict)
    ]
