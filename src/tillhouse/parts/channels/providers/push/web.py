"""Web Push: encrypted for one browser (RFC 8291), signed with our VAPID key (RFC 8292), handed to its push service.

The endpoint is whatever a browser said, so it is called as webhooks are: never into our own network.
"""

import base64
import json

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from pydantic import AnyHttpUrl
from webpush import WebPush, WebPushSubscription  # type: ignore[import-untyped]
from webpush.types import WebPushKeys  # type: ignore[import-untyped]

from tillhouse.kernel.outbound import NotSent, Outbound, OutcomeUnknown
from tillhouse.kernel.text import N_
from tillhouse.parts.channels.domain.destinations import allowed, destination_of
from tillhouse.parts.channels.domain.messages import Channel
from tillhouse.parts.channels.ports import Gone, Outgoing, Refused, Taken, Target, WebhookNetwork

_SECONDS = 15.0
_TTL = 24 * 3600  # seconds that a push service keeps it for a browser that is away
_LONGEST = 3_000  # of a body: 4096 bytes hold the encrypted message


class WebPushCarrier:
    """Hands pushes for browsers to their push services."""

    name = "web"
    channel: Channel = "push"

    def __init__(self, outbound: Outbound, network: WebhookNetwork, private_key: str, contact: str) -> None:
        """`private_key` is a P-256 key in PEM, `contact` a mail address. Raises `ValueError` for another key."""
        self._outbound, self._network = outbound, network
        public = _key(private_key).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self._push = WebPush(private_key=private_key.encode(), public_key=public, subscriber=contact, ttl=_TTL)

    async def carry(self, message: Outgoing) -> Taken:
        target = message.target
        if target is None:
            raise Refused("no_device")
        address = await self._address(target.token)
        body, headers = self._sealed(message, target)
        answer = await self._outbound.deliver(
            "webpush", target.token, body, headers, address=address, seconds=_SECONDS, keep=1024
        )
        if answer.ok:
            return Taken(answer.headers.get("location"))
        if answer.status in (404, 410):
            raise Gone(f"webpush_{answer.status}")
        if answer.status in (429, 503):
            raise NotSent(N_("{provider} cannot be reached right now."), provider=self.name)
        if answer.status >= 500:
            raise OutcomeUnknown(N_("{provider} did not answer in time."), provider=self.name)
        raise Refused(f"webpush_{answer.status}")

    def _sealed(self, message: Outgoing, target: Target) -> tuple[bytes, dict[str, str]]:
        said = {
            "id": str(message.id),
            "title": message.subject,
            "body": message.text[:_LONGEST],
            "url": message.url,
        }
        subscription = WebPushSubscription(
            endpoint=AnyHttpUrl(target.token), keys=WebPushKeys(auth=target.auth, p256dh=target.p256dh)
        )
        try:
            sealed = self._push.get(json.dumps(said, ensure_ascii=False), subscription)
        except ValueError:  # keys that are no point on the curve
            raise Gone("webpush_keys") from None
        headers = {str(name): str(value) for name, value in sealed.headers.items()}
        # The same topic replaces a copy that still waits at the push service (RFC 8030, 5.4): at most 32 characters.
        return sealed.encrypted, {**headers, "topic": message.id.hex, "content-type": "application/octet-stream"}

    async def _address(self, endpoint: str) -> str | None:
        """The address to connect to, looked at before; None where nothing is guarded. Raises `Gone`, `NotSent`."""
        rules = self._network.rules
        found = destination_of(endpoint, rules)
        if not rules.guarded:
            return None
        try:
            addresses = await self._network.resolve(found.host, found.port)
        except OSError as error:
            raise NotSent(N_("{provider} cannot be reached right now."), provider=self.name) from error
        if not addresses or not all(allowed(one, rules) for one in addresses):
            raise Gone("webpush_private_address")
        return addresses[0]


def application_key(private_key: str) -> str:
    """What a browser subscribes with: the public key, uncompressed, in base64url. Raises `ValueError`."""
    point = _key(private_key).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def _key(pem: str) -> EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ValueError("the VAPID key is not a P-256 key")
    return key
