"""ID tokens as Google writes them, and as it never would."""

import base64
import hashlib
import json
from typing import Any

import jwt

from tillhouse.sandbox.google import keys
from tillhouse.sandbox.google.schemas import Account, Spoil, Spoiling
from tillhouse.sandbox.world import World

LIFE = 3599  # seconds, what Google says of its access tokens
_SPOILT: dict[str, dict[str, Any]] = {
    "nonce": {"nonce": "somebody-elses"},
    "audience": {"aud": "another.apps.googleusercontent.com", "azp": "another.apps.googleusercontent.com"},
    "issuer": {"iss": "https://accounts.example.com"},
    "unverified": {"email_verified": False},
}


def id_token(world: World, issuer: str, account: Account, *, nonce: str, access_token: str) -> str:
    """Who someone is, signed; spoilt once where that was asked for."""
    now, client = world.clock.now_s(), world.settings.google_client_id
    claims: dict[str, Any] = {
        "iss": issuer,
        "azp": client,
        "aud": client,
        "sub": account.sub,
        "email": account.email,
        "email_verified": account.email_verified,
        "name": account.name,
        "given_name": account.name.split(" ", maxsplit=1)[0],
        "at_hash": _half_hash(access_token),
        "iat": now,
        "exp": now + LIFE,
    }
    claims |= {"hd": account.hd} if account.hd else {}
    claims |= {"nonce": nonce} if nonce else {}
    return _signed(world, claims, _spoiling(world))


def _signed(world: World, claims: dict[str, Any], how: Spoiling) -> str:
    claims = claims | _SPOILT.get(how, {})
    if how == "expired":
        claims |= {"iat": claims["iat"] - 2 * LIFE, "exp": claims["exp"] - 2 * LIFE}
    key = keys.stranger(world) if how == "unknown_key" else keys.current(world)
    if how == "alg_none":
        return f"{_part({'alg': 'none', 'kid': key.id, 'typ': 'JWT'})}.{_part(claims)}."
    if how == "no_token":
        return ""
    signer = keys.stranger(world) if how == "signature" else key
    return jwt.encode(claims, signer.pem, algorithm="RS256", headers={"kid": key.id})


def _spoiling(world: World) -> Spoiling:
    found = world.store.find(Spoil, limit=1)
    if not found:
        return "nothing"
    world.store.delete(Spoil, found[0].id)
    return found[0].what


def _half_hash(access_token: str) -> str:
    return _text(hashlib.sha256(access_token.encode()).digest()[:16])


def _part(value: dict[str, Any]) -> str:
    return _text(json.dumps(value).encode())


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
