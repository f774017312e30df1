"""SMS by Twilio Programmable Messaging, API version 2010-04-01."""

import json
from base64 import b64encode
from collections.abc import Iterable
from hmac import compare_digest, digest
from urllib.parse import urlsplit, urlunsplit

from tillhouse.kernel.outbound import Answer, NotSent, Outbound, OutcomeUnknown
from tillhouse.kernel.text import N_
from tillhouse.parts.channels.domain.messages import Channel
from tillhouse.parts.channels.ports import Outgoing, Refused, Taken

CALLBACK = "/api/v1/channels/webhook/twilio"


class TwilioCarrier:
    """Hands texts to Twilio, which reports to `callback` what became of them."""

    name = "twilio"
    channel: Channel = "sms"

    def __init__(self, outbound: Outbound, url: str, account: tuple[str, str], sender: str, callback: str) -> None:
        """`account` is the SID and its token; `callback` the address under which Twilio reaches us."""
        self._outbound, self._account, self._sender, self._callback = outbound, account, sender, callback
        self._url = f"{url.rstrip('/')}/2010-04-01/Accounts/{account[0]}/Messages.json"

    async def carry(self, message: Outgoing) -> Taken:
        form = {
            "To": message.address,
            "From": self._sender,
            "Body": message.text,
            "StatusCallback": f"{self._callback}?message={message.id}",
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


def is_signed(token: str, url: str, parameters: Iterable[tuple[str, str]], signature: str) -> bool:
    """Whether Twilio signed this callback: base64 of HMAC-SHA1 over the address and the sorted form.

    Twilio signs the address with or without its port, depending on how it was reached: both are tried.
    """
    form = "".join(name + value for name, value in sorted(set(parameters)))
    right = False
    for spelling in _spellings(url):
        expected = b64encode(digest(token.encode(), (spelling + form).encode(), "sha1"))
        right |= compare_digest(expected, signature.encode())
    return right and bool(token)


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
