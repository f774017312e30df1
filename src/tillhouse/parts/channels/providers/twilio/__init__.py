"""SMS and WhatsApp by Twilio Programmable Messaging, API version 2010-04-01."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hmac import compare_digest, digest
from urllib.parse import urlsplit, urlunsplit

from tillhouse.kernel import clock
from tillhouse.kernel.outbound import Answer, NotSent, Outbound, OutcomeUnknown
from tillhouse.kernel.text import N_
from tillhouse.parts.channels.domain.chat import (
    Arrived,
    Correspondent,
    Incoming,
    Kind,
    MediaRef,
    can_be_kept,
    checked_id,
    numbered,
    phone_of,
)
from tillhouse.parts.channels.domain.messages import Channel
from tillhouse.parts.channels.ports import Outgoing, Refused, Taken

CALLBACK = "/api/v1/channels/webhook/twilio"
INBOUND = "/api/v1/channels/webhook/twilio/inbound"
_CHAT = "whatsapp:"
_KINDS: dict[str, Kind] = {"image": "image", "audio": "audio", "video": "video"}
_REGIONAL = re.compile(r"api(\.[a-z0-9-]{1,40}){0,2}\.twilio\.com")
_REDIRECTS = (301, 302, 303, 307, 308)
_ALGORITHMS = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_OLDER = timedelta(minutes=5)  # their clock and ours


class TwilioCarrier:
    """Hands texts to Twilio, which reports to `callback` what became of them."""

    name = "twilio"

    def __init__(
        self,
        outbound: Outbound,
        url: str,
        account: tuple[str, str],
        sender: str,
        callback: str,
        *,
        channel: Channel = "sms",
    ) -> None:
        """`account` is the SID and its token; `callback` the address under which Twilio reaches us."""
        self.channel: Channel = channel
        self._outbound, self._account, self._sender, self._callback = outbound, account, sender, callback
        self._base = url.rstrip("/")
        self._url = f"{self._base}/2010-04-01/Accounts/{account[0]}/Messages.json"

    async def carry(self, message: Outgoing) -> Taken:
        form = {
            "To": self._written(message.address),
            "From": self._written(message.sender or self._sender),
            "StatusCallback": f"{self._callback}?message={message.id}",
            **_content(message),
        }
        answer = await self._outbound.send("twilio", "POST", self._url, form=form, auth=self._account)
        body = _json(answer)
        if answer.ok:
            return Taken(str(body.get("sid") or "") or None)
        if answer.status == 429:  # over the limit of requests at once: not taken
            raise NotSent(N_("{provider} cannot be reached right now."), provider=self.name)
        if answer.status >= 500:
            raise OutcomeUnknown(N_("{provider} did not answer in time."), provider=self.name)
        raise Refused(f"twilio_{body.get('code') or answer.status}")

    async def look_up(self, message: Outgoing) -> Taken | None:
        """The text among those that Twilio sent to this number since we first meant to send it."""
        wanted = {"To": self._written(message.address), "PageSize": "50"}
        answer = await self._outbound.send("twilio", "GET", self._url, params=wanted, auth=self._account)
        if not answer.ok:
            raise NotSent(N_("{provider} cannot be reached right now."), provider=self.name)
        found = _json(answer).get("messages")
        since = (message.queued_at or clock.now()) - _OLDER
        for one in found if isinstance(found, list) else []:
            if one.get("body") == _content(message).get("Body") and _sent_since(one, since):
                return Taken(str(one["sid"]))
        return None

    async def fetch(self, media: MediaRef, most_bytes: int) -> bytes:
        if not self._is_twilios(media.id):  # the token goes nowhere else
            raise Refused("media_elsewhere")
        answer = await self._outbound.send("twilio", "GET", media.id, auth=self._account, timeout=60.0)
        if answer.status in _REDIRECTS:  # to storage, which is signed by itself: the token stays here
            answer = await self._outbound.send("twilio", "GET", answer.headers.get("location", ""), timeout=60.0)
        if answer.status >= 500 or answer.status == 429:
            raise NotSent(N_("{provider} cannot be reached right now."), provider=self.name)
        if not answer.ok:
            raise Refused(f"twilio_media_{answer.status}")
        if len(answer.body) > most_bytes:
            raise Refused("media_too_large")
        return answer.body

    def _is_twilios(self, address: str) -> bool:
        """Of the house that we send to, or of another of Twilio's regions; and an address at all."""
        try:
            ours, theirs = urlsplit(self._base), urlsplit(address)
        except ValueError:
            return False
        same = (theirs.scheme, theirs.netloc) == (ours.scheme, ours.netloc)
        regional = theirs.scheme == "https" and _REGIONAL.fullmatch(theirs.netloc) is not None
        return (same or regional) and address.isascii() and address.isprintable()

    def _written(self, address: str) -> str:
        return f"{_CHAT}{address.removeprefix(_CHAT)}" if self.channel == "whatsapp" else address


def read_inbound(form: dict[str, str]) -> list[Arrived]:
    """What somebody wrote, by SMS or WhatsApp; several pictures are several messages.

    Raises `ValueError` for a form that says not who or what.
    """
    sid, address = form.get("MessageSid", ""), form.get("From", "")
    if not sid or not address:
        raise ValueError("a message without MessageSid or From")
    user_id = form.get("ExternalUserId", "")
    sid, address, user_id, account = map(checked_id, (sid, address, user_id, form.get("To", "")))
    name, user_id = address.removeprefix(_CHAT), user_id.removeprefix(_CHAT)
    phone = phone_of(name[1:]) if name.startswith("+") else None
    if not (phone or user_id or name):
        raise ValueError("a message from nobody")
    profile = can_be_kept(form.get("ProfileName", ""))
    sender = Correspondent(account, phone, user_id or (None if phone else name), profile)
    return [Arrived(sender, one) for one in _incoming(sid, {field: can_be_kept(said) for field, said in form.items()})]


def _incoming(sid: str, form: dict[str, str]) -> list[Incoming]:
    now, text = clock.now().astimezone(UTC), form.get("Body", "")  # Twilio gives no time of its own
    reply_to = form.get("OriginalRepliedMessageSid", "")
    if choice := form.get("ButtonPayload") or form.get("ListId"):
        title = form.get("ButtonText") or form.get("ListTitle") or text
        return [Incoming(sid, "press", now, title, choice, reply_to=reply_to)]
    if files := _files(form):
        return [
            Incoming(f"{sid}/{number}" if number else sid, _kind(file), now, "" if number else text, "", file, reply_to)
            for number, file in enumerate(files)
        ]
    if form.get("Latitude"):
        facts = {
            "latitude": form["Latitude"],
            "longitude": form.get("Longitude", ""),
            "name": form.get("Label", ""),
            "address": form.get("Address", ""),
        }
        return [Incoming(sid, "location", now, form.get("Label", ""), reply_to=reply_to, facts=facts)]
    return [Incoming(sid, "text", now, text, reply_to=reply_to)]


def _files(form: dict[str, str]) -> list[MediaRef]:
    count = int(form["NumMedia"]) if form.get("NumMedia", "").isdecimal() else 0
    found = [(form.get(f"MediaUrl{n}"), form.get(f"MediaContentType{n}", "")) for n in range(min(count, 10))]
    return [MediaRef(url, media_type) for url, media_type in found if url]


def _kind(file: MediaRef) -> Kind:
    return _KINDS.get(file.media_type.partition("/")[0], "document")


def _content(message: Outgoing) -> dict[str, str]:
    if message.approved:
        variables = {str(number): one for number, one in enumerate(message.approved.parameters, 1)}
        return {"ContentSid": message.approved.name, "ContentVariables": json.dumps(variables)}
    body = numbered(message.line) if message.line else message.text
    if message.url and message.attachment:
        return {"Body": body, "MediaUrl": message.url}
    return {"Body": body}


def _sent_since(one: dict[str, str], since: datetime) -> bool:
    return parsedate_to_datetime(one["date_created"]) >= since


def signed_by(named: str, token: str, shared: Mapping[str, str]) -> tuple[str, str]:
    """The secret and the hash that a callback says it is signed with; ("", …) where we know no such.

    `named` is the header `X-Twilio-Webhooks-Signature-Settings` (`key=<id>,algorithm=HMAC_SHA256`), which comes where a
    rule at Twilio has callbacks signed by a key in place of the account's `token`.
    """
    if not named:
        return token, "sha1"
    said = {name.strip(): value.strip() for name, _, value in (part.partition("=") for part in named.split(","))}
    algorithm = _ALGORITHMS.get(said.get("algorithm", "HMAC_SHA1").upper())
    return (shared.get(said.get("key", ""), ""), algorithm) if algorithm else ("", "sha1")


def is_signed(
    secret: str, url: str, parameters: Iterable[tuple[str, str]], signature: str, *, algorithm: str = "sha1"
) -> bool:
    """Whether Twilio signed this callback: base64 of the HMAC over the address and the sorted form.

    Twilio signs the address with or without its port, depending on how it was reached: both are tried.
    """
    form = "".join(name + value for name, value in sorted(set(parameters)))
    right = False
    for spelling in _spellings(url):
        expected = b64encode(digest(secret.encode(), (spelling + form).encode(), algorithm))
        right |= compare_digest(expected, signature.encode())
    return right and bool(secret)


def _spellings(url: str) -> Iterable[str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    for netloc in (host, f"{host}:{port}"):
        yield urlunsplit(parts._replace(netloc=netloc))


def _json(answer: Answer) -> dict[str, object]:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
