"""Calls of the Cloud API: `POST /{phone number}/messages`, media up and down.

https://developers.facebook.com/docs/whatsapp/cloud-api. A 200 says that the message is accepted; what becomes of it
comes as a status, which carries our own id (`biz_opaque_callback_data`), so that a lost answer does not matter.
"""

import json
from urllib.parse import quote, urlsplit

from tillhouse.kernel.db import JsonObject, JsonValue
from tillhouse.kernel.outbound import Answer, NotSent, Outbound, OutcomeUnknown, Upload
from tillhouse.kernel.text import N_
from tillhouse.parts.channels.domain.chat import Approved, Line, MediaRef
from tillhouse.parts.channels.domain.messages import Channel
from tillhouse.parts.channels.ports import Attachment, Outgoing, Refused, Taken

# Throttling of the application, the account, the number and the pair: nothing was taken.
_LATER = frozenset({4, 80007, 130429, 131056, 131048, 131016, 133004})
_META = (".facebook.com", ".fbcdn.net", ".fbsbx.com", ".whatsapp.net")
_KINDS = {"image": "image", "audio": "audio", "video": "video"}


class WhatsAppCarrier:
    """Hands messages to Meta. `version_url` is the Graph API's address with its version."""

    name = "whatsapp"
    channel: Channel = "whatsapp"

    def __init__(self, outbound: Outbound, version_url: str, number: str, token: str) -> None:
        """`number` is the id of the phone number that sends, unless a message names its own."""
        self._outbound, self._url, self._number = outbound, version_url.rstrip("/"), number
        self._headers = {"Authorization": f"Bearer {token}"}

    async def carry(self, message: Outgoing) -> Taken:
        number = message.sender or self._number
        media_id = await self._upload(number, message.attachment) if message.attachment else None
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            **_recipient(message.address),
            **_content(message, media_id),
            "biz_opaque_callback_data": str(message.id),
        }
        answer = await self._send("POST", f"{self._url}/{number}/messages", json=body)
        found = _json(answer)
        messages = found.get("messages")
        if not isinstance(messages, list) or not messages or not isinstance(messages[0], dict):
            raise OutcomeUnknown(N_("{provider} did not answer in time."), provider=self.name)
        return Taken(str(messages[0]["id"]))

    async def fetch(self, media: MediaRef, most_bytes: int) -> bytes:
        found = _json(await self._send("GET", f"{self._url}/{quote(media.id, safe='')}"))
        size = found.get("file_size")
        if isinstance(size, int) and size > most_bytes:
            raise Refused("media_too_large")
        url = str(found.get("url") or "")
        if not self._is_metas(url):  # the token goes nowhere else
            raise Refused("media_elsewhere")
        answer = await self._send("GET", url, timeout=60.0)
        if len(answer.body) > most_bytes:
            raise Refused("media_too_large")
        return answer.body

    async def show_read(self, account: str, message_id: str, *, typing: bool) -> None:
        body: JsonObject = {"messaging_product": "whatsapp", "status": "read", "message_id": message_id}
        if typing:  # ends by itself after 25 seconds, or with the answer
            body["typing_indicator"] = {"type": "text"}
        await self._send("POST", f"{self._url}/{account or self._number}/messages", json=body, timeout=5.0)

    async def _upload(self, number: str, attachment: Attachment) -> str:
        """Bring a file to Meta first. Nobody has seen anything when that fails: its unknown end is "not sent"."""
        upload = Upload("file", attachment.name, attachment.content, attachment.media_type)
        form = {"messaging_product": "whatsapp", "type": attachment.media_type}
        try:
            answer = await self._send("POST", f"{self._url}/{number}/media", form=form, upload=upload, timeout=60.0)
        except OutcomeUnknown as error:
            raise NotSent(N_("{provider} cannot be reached right now."), provider=self.name) from error
        return str(_json(answer).get("id") or "")

    async def _send(
        self,
        method: str,
        url: str,
        *,
        json: JsonObject | None = None,
        form: dict[str, str] | None = None,
        upload: Upload | None = None,
        timeout: float | None = None,
    ) -> Answer:
        answer = await self._outbound.send(
            self.name, method, url, json=json, form=form, upload=upload, headers=self._headers, timeout=timeout
        )
        if not answer.ok:
            _refuse(answer)
        return answer

    def _is_metas(self, url: str) -> bool:
        host, ours = urlsplit(url).hostname or "", urlsplit(self._url)
        if (urlsplit(url).scheme, urlsplit(url).netloc) == (ours.scheme, ours.netloc):
            return True
        return url.startswith("https://") and host.endswith(_META)


def _recipient(address: str) -> JsonObject:
    """A phone number, or a user id of our business's scope."""
    return {"to": address.removeprefix("+")} if address.startswith("+") else {"recipient": address}


def _content(message: Outgoing, media_id: str | None) -> JsonObject:
    if message.approved:
        return {"type": "template", "template": _template(message.approved)}
    if message.attachment and media_id:
        kind = _KINDS.get(message.attachment.media_type.partition("/")[0], "document")
        media: JsonObject = {"id": media_id}
        if message.text and kind != "audio":
            media["caption"] = message.text
        if kind == "document":
            media["filename"] = message.attachment.name
        return {"type": kind, kind: media}
    if message.line and message.line.choices:
        return {"type": "interactive", "interactive": _interactive(message.line)}
    return {"type": "text", "text": {"body": message.text, "preview_url": False}}


def _interactive(line: Line) -> JsonObject:
    body: JsonObject = {"text": line.text}
    if line.buttons:
        buttons: list[JsonValue] = [
            {"type": "reply", "reply": {"id": one.id, "title": one.title}} for one in line.buttons
        ]
        return {"type": "button", "body": body, "action": {"buttons": buttons}}
    rows: list[JsonValue] = [
        {"id": one.id, "title": one.title, **({"description": one.about} if one.about else {})} for one in line.rows
    ]
    action: JsonObject = {"button": line.opens_list[:20], "sections": [{"title": line.opens_list[:24], "rows": rows}]}
    return {"type": "list", "body": body, "action": action}


def _template(approved: Approved) -> JsonObject:
    parameters: list[JsonValue] = [{"type": "text", "text": one} for one in approved.parameters]
    found: JsonObject = {"name": approved.name, "language": {"code": approved.language}}
    if parameters:
        found["components"] = [{"type": "body", "parameters": parameters}]
    return found


def _refuse(answer: Answer) -> None:
    error = _json(answer).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    if code in _LATER or answer.status == 429:
        raise NotSent(N_("{provider} cannot be reached right now."), provider="whatsapp")
    if answer.status >= 500:
        raise OutcomeUnknown(N_("{provider} did not answer in time."), provider="whatsapp")
    raise Refused(f"whatsapp_{code or answer.status}")


def _json(answer: Answer) -> JsonObject:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
