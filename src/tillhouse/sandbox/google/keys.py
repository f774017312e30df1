"""The keys that ID tokens are signed with: made when first needed, replaced on demand, the last two published."""

import base64
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tillhouse.sandbox import ids
from tillhouse.sandbox.google.schemas import SigningKey
from tillhouse.sandbox.world import World

_PUBLISHED = 2


def current(world: World) -> SigningKey:
    """The key of now."""
    found = world.store.find(SigningKey, limit=1)
    return found[0] if found else _publish(world, _made("first"))


def rotate(world: World) -> SigningKey:
    """A new key from now on; the one before stays published for tokens on their way."""
    return _publish(world, _made(f"number {world.store.count(SigningKey)}"))


def stranger(world: World) -> SigningKey:
    """A key that nobody has heard of."""
    return SigningKey(id=ids.token(40).lower(), created_at=world.clock.now_s(), pem=_made("stranger"))


def _publish(world: World, pem: str) -> SigningKey:
    key = SigningKey(id=ids.token(40).lower(), created_at=world.clock.now_s(), pem=pem)
    world.store.put(key)
    return key


@cache  # slow to make, and every sandbox of a process may have the same
def _made(_use: str) -> str:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


def published(world: World) -> list[dict[str, Any]]:
    """The keys as a JSON Web Key Set lists them (RFC 7517)."""
    current(world)
    return [_public(key) for key in world.store.find(SigningKey, limit=_PUBLISHED)]


def _public(key: SigningKey) -> dict[str, Any]:
    private = serialization.load_pem_private_key(key.pem.encode(), None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError("the sandbox signs with RSA")
    numbers = private.public_key().public_numbers()
    return {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": key.id,
        "n": _number(numbers.n),
        "e": _number(numbers.e),
    }


def _number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()
