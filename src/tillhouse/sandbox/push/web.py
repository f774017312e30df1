"""A browser and its push service: `/webpush/{browser}` takes what was encrypted for it, and reads it (RFC 8291, 8188).

`POST /_sandbox/browsers` makes a browser that subscribed with our key; `DELETE` is its owner saying no: 410 from then.
"""

import base64
from typing import ClassVar

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel

from tillhouse.sandbox import ids
from tillhouse.sandbox.push.fcm import Push
from tillhouse.sandbox.rendering import answer, done
from tillhouse.sandbox.store import Record
from tillhouse.sandbox.world import Here

PREFIX = "/webpush"
_LARGEST = 4096


class Browser(Record):
    """A browser that takes pushes."""

    kind: ClassVar[str] = "browser"

    key: str
    auth: str
    subscribed: bool = True


class Subscription(BaseModel):
    """What the browser's `PushSubscription.toJSON()` says."""

    endpoint: str
    keys: dict[str, str]


router = APIRouter()


@router.post("/_sandbox/browsers", status_code=201)
async def make_browser(request: Request, world: Here) -> Subscription:
    """A new browser, subscribed."""
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    browser = Browser(
        id=ids.token(24), created_at=world.clock.now_s(), key=_b64(der), auth=_b64(ids.token(16).encode())
    )
    world.store.put(browser)
    endpoint = f"{str(request.base_url).rstrip('/')}{PREFIX}/{browser.id}"
    return Subscription(endpoint=endpoint, keys={"p256dh": _b64(_point(key.public_key())), "auth": browser.auth})


@router.delete("/_sandbox/browsers/{browser_id}", status_code=204)
async def unsubscribe(world: Here, browser_id: str) -> None:
    """The person says no to pushes."""
    browser = world.store.get(Browser, browser_id)
    if browser is None:
        raise HTTPException(404, "There is no such browser.")
    browser.subscribed = False
    world.store.put(browser)


@router.get("/_sandbox/push")
async def pushes(request: Request, world: Here) -> Response:
    """Pushes that phones and browsers took, newest first."""
    found = world.store.find(Push, limit=100)
    return answer(request, "pushes.html", {"pushes": found}, found)


@router.post("/_sandbox/push/clear", include_in_schema=False)
async def clear(request: Request, world: Here) -> Response:
    """Forget them."""
    world.store.delete_all(Push)
    return done(request, {}, "/_sandbox/push")


@router.post(PREFIX + "/{browser_id}")
async def take(request: Request, world: Here, browser_id: str) -> Response:
    """Take a push for a browser, and open it as the browser would."""
    browser = world.store.get(Browser, browser_id)
    if browser is None or not browser.subscribed:
        return Response("push subscription has unsubscribed or expired.", 410)
    sealed = await request.body()
    if not request.headers.get("ttl", "").isdigit() or request.headers.get("content-encoding") != "aes128gcm":
        return Response("TTL and Content-Encoding: aes128gcm are needed.", 400)
    if len(sealed) > _LARGEST:
        return Response("The payload is larger than 4096 bytes.", 413)
    if not _is_ours(request.headers.get("authorization", "")):
        return Response("The VAPID signature is not right.", 403)
    try:
        opened = _opened(browser, sealed)
    except (InvalidTag, ValueError, IndexError):
        return Response("The browser could not read this.", 400)
    push = Push(
        id=f"push_{ids.token(20)}",
        created_at=world.clock.now_s(),
        to=browser_id,
        title="",
        body=opened.decode(),
    )
    world.store.put(push)
    return Response(status_code=201, headers={"Location": f"{PREFIX}/message/{push.id}"})


def _opened(browser: Browser, sealed: bytes) -> bytes:
    """RFC 8291: salt, record size and the sender's key stand before what is encrypted."""
    salt, length = sealed[:16], sealed[20]
    sender = sealed[21 : 21 + length]
    key = load_der_private_key(_bytes(browser.key), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("no key of a browser")
    shared = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
    info = b"WebPush: info\0" + _point(key.public_key()) + sender
    secret = _hkdf(_bytes(browser.auth), info, 32, shared)
    content_key = _hkdf(salt, b"Content-Encoding: aes128gcm\0", 16, secret)
    nonce = _hkdf(salt, b"Content-Encoding: nonce\0", 12, secret)
    return AESGCM(content_key).decrypt(nonce, sealed[21 + length :], None).rstrip(b"\0")[:-1]


def _hkdf(salt: bytes, info: bytes, length: int, secret: bytes) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def _is_ours(authorization: str) -> bool:
    """RFC 8292: `vapid t=<JWT>, k=<public key>`; the key signs the token."""
    parts = dict(one.strip().split("=", 1) for one in authorization.removeprefix("vapid ").split(",") if "=" in one)
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(parts["k"]))
        options = {"verify_aud": False, "verify_exp": False}
        claims = jwt.decode(parts["t"], key, algorithms=["ES256"], options=options)  # type: ignore[arg-type]
    except (KeyError, ValueError, jwt.InvalidTokenError):
        return False
    return "aud" in claims and str(claims.get("sub", "")).startswith(("mailto:", "https:"))


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
