"""`/twilio/2010-04-01/Accounts/{sid}/Messages`: sending a text, and reporting what became of it."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, ClassVar, Literal
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.basic import is_basic
from tillhouse.sandbox.player import Refusal
from tillhouse.sandbox.store import Record
from tillhouse.sandbox.twilio.signing import request_signature
from tillhouse.sandbox.webhooks import Delivery, Policy, Signer
from tillhouse.sandbox.whatsapp import phone as phones
from tillhouse.sandbox.world import Here, World

_VERSION = "2010-04-01"
_LONGEST_BODY = 1600
_STEP_SECONDS = 30.0

# Twilio's magic numbers, and one of the sandbox's own: a phone that never receives.
_REFUSED_FROM = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}
_REFUSED_TO = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
UNREACHABLE_TO = "+15005550010"
_UNREACHABLE_CODE = 30003
_TOO_LATE_CODE = 63016

_WORDS = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "Internal server error",
    21211: "Invalid 'To' Phone Number",
    21212: "Invalid From Number (caller ID)",
    21408: "Permission to send an SMS has not been enabled for the region of the 'To' number",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: "The 'From' phone number provided is not a valid message-capable Twilio phone number.",
    21609: "The 'StatusCallback' URL is not a valid URL.",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages",
    21612: "The 'To' phone number is not currently reachable via SMS",
    21614: "'To' number is not a valid mobile number",
    21655: "The ContentSid is Invalid",
    21656: "The Content Variables parameter is invalid.",
    21617: "The concatenated message body exceeds the 1600 character limit.",
}

Status = Literal["queued", "sent", "delivered", "undelivered", "read", "failed"]


class TwilioError(Refusal):
    """A refusal by Twilio's code for it."""

    def __init__(self, code: int, status: int = 400) -> None:
        super().__init__(_WORDS[code])
        self.code, self.status = code, status

    def response(self) -> JSONResponse:
        body: JsonValue = {
            "code": self.code,
            "message": _WORDS[self.code],
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return JSONResponse(body, self.status)


class SentMessage(Record):
    """A message as Twilio keeps it."""

    kind: ClassVar[str] = "twilio_message"

    account_sid: str
    to: str
    sender: str | None
    service_sid: str | None
    body: str
    approved: bool = False
    media: list[str] = []
    status: Status = "queued"
    error_code: int | None = None
    status_callback: str | None = None
    updated_at: int
    sent_at: int | None = None


class MessageForm(BaseModel):
    """The form fields that the sandbox acts on; Twilio's others are accepted and ignored."""

    To: str = ""
    From: str | None = None
    MessagingServiceSid: str | None = None
    Body: str = ""
    MediaUrl: list[str] = []
    ContentSid: str = ""
    ContentVariables: str = ""
    StatusCallback: str | None = None


def require_account(request: Request, world: Here, account_sid: str) -> None:
    """Refuse requests without the account's SID and token.

    Raises:
        TwilioError: 20003 with HTTP 401.
    """
    ours = world.settings.twilio_account_sid
    if account_sid != ours or not is_basic(request, ours, world.settings.twilio_auth_token):
        raise TwilioError(20003, 401)


router = APIRouter(prefix=f"/twilio/{_VERSION}/Accounts/{{account_sid}}", dependencies=[Depends(require_account)])


@router.post("/Messages.json", status_code=201)
async def create_message(world: Here, account_sid: str, form: Annotated[MessageForm, Form()]) -> dict[str, JsonValue]:
    """Send a text. Twilio has no idempotency: twice is two texts."""
    body = _written(world, form)
    _check(world, form, body)
    now = world.clock.now_s()
    message = SentMessage(
        id=ids.twilio_sid("SM"),
        created_at=now,
        updated_at=now,
        account_sid=account_sid,
        to=form.To,
        sender=form.From,
        service_sid=form.MessagingServiceSid,
        body=body,
        approved=bool(form.ContentSid),
        media=list(form.MediaUrl),
        status_callback=form.StatusCallback,
    )
    with world.store.transaction():
        world.store.put(message)
        world.agenda.plan("twilio.advance", message.id, _STEP_SECONDS)
        if _number(form.To) != UNREACHABLE_TO and not _is_too_late(world, message):
            _deliver(world, message)
    return _wire(message)


@router.get("/Messages.json")
async def list_messages(
    world: Here,
    account_sid: str,
    to: Annotated[str, Query(alias="To")] = "",
    sender: Annotated[str, Query(alias="From")] = "",
    page_size: Annotated[int, Query(alias="PageSize")] = 50,
) -> dict[str, JsonValue]:
    """Messages, newest first, to one number or from one."""
    found = [
        message
        for message in world.store.find(SentMessage, {"to": to or None}, limit=page_size)
        if not sender or message.sender == sender
    ]
    path = f"/{_VERSION}/Accounts/{account_sid}/Messages.json"
    return {
        "messages": [_wire(message) for message in found],
        "page": 0,
        "page_size": page_size,
        "uri": path,
        "first_page_uri": path,
        "next_page_uri": None,
        "previous_page_uri": None,
        "start": 0,
        "end": max(len(found) - 1, 0),
    }


@router.get("/Messages/{sid}/Media/{media_id}")
async def get_media(world: Here, sid: str, media_id: str) -> Response:
    """A file that somebody sent us."""
    found = world.store.get(phones.Media, media_id)
    if found is None:
        raise TwilioError(20404, 404)
    return Response(found.content, media_type=found.mime_type)


@router.get("/Messages/{sid}.json")
async def get_message(world: Here, sid: str) -> dict[str, JsonValue]:
    """One message and its present status."""
    message = world.store.get(SentMessage, sid)
    if message is None:
        raise TwilioError(20404, 404)
    return _wire(message)


def register(world: World) -> None:
    """Teach the outgoing queue Twilio's signature and its one retry, and the agenda its steps."""
    world.webhooks.register(
        "twilio",
        Policy(
            timeout=15.0,
            first_retry=1.0,
            give_up_after=1.5,
            retries_on_refusal=False,
            disables=False,
            sign=_signer(world.settings.twilio_auth_token),
        ),
    )
    world.agenda.register("twilio.advance", lambda sid: _advance(world, sid))
    phones.listen("twilio", _heard, _seen)


def _signer(token: str) -> Signer:
    def sign(delivery: Delivery) -> Mapping[str, str]:
        parameters = parse_qsl(delivery.body, keep_blank_values=True)
        return {"X-Twilio-Signature": request_signature(token, delivery.url, parameters)}

    return sign


def _written(world: World, form: MessageForm) -> str:
    """The words of a message, an approved content's with its variables filled in."""
    if not form.ContentSid:
        return form.Body
    text = dict(world.settings.twilio_contents).get(form.ContentSid)
    if text is None:
        raise TwilioError(21655)
    try:
        variables = json.loads(form.ContentVariables or "{}")
    except ValueError:
        raise TwilioError(21656) from None
    for name, value in variables.items():
        text = text.replace(f"{{{{{name}}}}}", str(value))
    return text


def _check(world: World, form: MessageForm, body: str) -> None:
    recipient, sender = _number(form.To), _number(form.From or "")
    if not recipient:
        raise TwilioError(21604)
    if not sender and not form.MessagingServiceSid:
        raise TwilioError(21603)
    if sender in _REFUSED_FROM:
        raise TwilioError(_REFUSED_FROM[sender])
    if sender and sender not in world.settings.twilio_numbers:
        raise TwilioError(21606)
    if recipient in _REFUSED_TO:
        raise TwilioError(_REFUSED_TO[recipient])
    if not re.fullmatch(r"\+[1-9]\d{6,14}", recipient):
        raise TwilioError(21211)
    if not body and not form.MediaUrl:
        raise TwilioError(21602)
    if len(body) > _LONGEST_BODY:
        raise TwilioError(21617)
    if form.StatusCallback and not world.settings.may_call(form.StatusCallback):
        raise TwilioError(21609)


def _number(address: str) -> str:
    return address.removeprefix("whatsapp:")


def _deliver(world: World, message: SentMessage) -> None:
    world.inbox.receive(
        to=_number(message.to),
        sender=message.sender or message.service_sid or "",
        channel="whatsapp" if message.to.startswith("whatsapp:") else "sms",
        body=message.body,
    )


def _advance(world: World, sid: str) -> None:
    message = world.store.get(SentMessage, sid)
    if message is None or message.status not in {"queued", "sent"}:
        return
    if message.status == "queued" and _is_too_late(world, message):
        message.status, message.error_code = "failed", _TOO_LATE_CODE
    elif message.status == "queued":
        message.status, message.sent_at = "sent", world.clock.now_s()
        world.agenda.plan("twilio.advance", sid, _STEP_SECONDS)
    elif _number(message.to) == UNREACHABLE_TO:
        message.status, message.error_code = "undelivered", _UNREACHABLE_CODE
    else:
        message.status = "delivered"
        _show(world, message)
    message.updated_at = world.clock.now_s()
    world.store.put(message)
    _report(world, message)


def _is_chat(message: SentMessage) -> bool:
    return message.to.startswith("whatsapp:")


def _is_too_late(world: World, message: SentMessage) -> bool:
    """Whether only approved content arrives: the person has not written for 24 hours."""
    if not _is_chat(message) or message.approved:
        return False
    return not phones.window_is_open(world, phones.chat_of(world, "twilio", _number(message.to)))


def _show(world: World, message: SentMessage) -> None:
    """A chat arrives on the phone."""
    if not _is_chat(message):
        return
    chat = phones.chat_of(world, "twilio", _number(message.to))
    phones.stop_typing(world, chat)
    said = phones.Said(
        id=message.id,
        created_at=message.created_at,
        to=chat.id,
        mine=False,
        type="text",
        content={"body": "\n".join([message.body, *message.media]).strip()},
        status="delivered",
        at_ms=world.clock.now_ms(),
    )
    world.store.put(said)


def _seen(world: World, said: phones.Said) -> None:
    message = world.store.get(SentMessage, said.id)
    if message and message.status == "delivered":
        message.status, message.updated_at = "read", world.clock.now_s()
        world.store.put(message)
        _report(world, message)


def _heard(world: World, chat: phones.Chat, said: phones.Said) -> None:
    """What somebody wrote comes to us as Twilio tells it."""
    sid, account, ours = said.id, world.settings.twilio_account_sid, f"whatsapp:{world.settings.twilio_numbers[0]}"
    fields = {
        "MessageSid": sid,
        "SmsSid": sid,
        "SmsMessageSid": sid,
        "AccountSid": account,
        "From": f"whatsapp:{chat.user_id if chat.hides_phone else chat.phone}",
        "To": ours,
        "Body": str(said.content.get("body") or said.content.get("caption") or ""),
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsStatus": "received",
        "ApiVersion": _VERSION,
        "ProfileName": chat.name,
        "WaId": "" if chat.hides_phone else chat.phone.removeprefix("+"),
        "ExternalUserId": f"whatsapp:{chat.user_id}",
        "MessageType": said.type,
        **_extra(world, account, said),
    }
    world.webhooks.enqueue(
        provider="twilio",
        event="message.received",
        url=world.settings.twilio_inbound_url,
        body=urlencode(fields),
        content_type="application/x-www-form-urlencoded",
    )


def _extra(world: World, account: str, said: phones.Said) -> dict[str, str]:
    if media_id := said.content.get("id"):
        base = world.settings.twilio_media_base.rstrip("/")
        url = f"{base}/twilio/{_VERSION}/Accounts/{account}/Messages/{said.id}/Media/{media_id}"
        mime_type = str(said.content.get("mime_type", ""))
        return {"NumMedia": "1", "MediaUrl0": url, "MediaContentType0": mime_type}
    if said.type == "location":
        return {name.capitalize(): str(said.content[name]) for name in ("latitude", "longitude")}
    return {}


def _report(world: World, message: SentMessage) -> None:
    if message.status_callback is None:
        return
    fields = {
        "MessageSid": message.id,
        "MessageStatus": message.status,
        "SmsSid": message.id,
        "SmsStatus": message.status,
        "To": message.to,
        "From": message.sender or "",
        "AccountSid": message.account_sid,
        "ApiVersion": _VERSION,
    }
    if message.error_code is not None:
        fields["ErrorCode"] = str(message.error_code)
    world.webhooks.enqueue(
        provider="twilio",
        event=f"message.{message.status}",
        url=message.status_callback,
        body=urlencode(fields),
        content_type="application/x-www-form-urlencoded",
    )


def _wire(message: SentMessage) -> dict[str, JsonValue]:
    path = f"/{_VERSION}/Accounts/{message.account_sid}/Messages/{message.id}"
    return {
        "sid": message.id,
        "account_sid": message.account_sid,
        "api_version": _VERSION,
        "body": message.body,
        "date_created": _rfc_2822(message.created_at),
        "date_sent": _rfc_2822(message.sent_at),
        "date_updated": _rfc_2822(message.updated_at),
        "direction": "outbound-api",
        "error_code": message.error_code,
        "error_message": None,
        "from": message.sender,
        "to": message.to,
        "messaging_service_sid": message.service_sid,
        "num_media": "0",
        "num_segments": str(-(-len(message.body) // 160)),
        "price": None,
        "price_unit": "USD",
        "status": message.status,
        "subresource_uris": {"media": f"{path}/Media.json"},
        "uri": f"{path}.json",
    }


def _rfc_2822(seconds: int | None) -> str | None:
    return None if seconds is None else format_datetime(datetime.fromtimestamp(seconds, UTC))
