"""The authorization code flow with PKCE, and an ID token that is believed only when its signature and claims hold."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlencode

import jwt
from pydantic import BaseModel, ConfigDict, ValidationError

from tillhouse.kernel import clock
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.outbound import Answer, Outbound
from tillhouse.kernel.text import N_
from tillhouse.parts.identity.domain.google import GoogleAccount, NotFromGoogle, account_of, challenge_of
from tillhouse.parts.identity.providers.google.settings import GoogleSettings

_log = logging.getLogger(__name__)

_SHORTEST, _LONGEST = timedelta(minutes=5), timedelta(days=1)  # how long an answer is kept, whatever Google says
_ASK_AGAIN = timedelta(minutes=1)  # for a key that is not in the set: forged tokens must not become calls


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


W = TypeVar("W", bound=_Wire)


class Discovery(_Wire):
    """Where everything is (`/.well-known/openid-configuration`)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class KeySet(_Wire):
    """The keys that tokens are signed with at present."""

    keys: list[dict[str, Any]]


class TokenAnswer(_Wire):
    """What a code is exchanged for, as far as it is read: the access token is of no use to us."""

    id_token: str = ""
    error: str = ""


@dataclass
class _Kept:
    discovery: Discovery | None = None
    discovery_until: datetime | None = None
    keys: Mapping[str, jwt.PyJWK] = field(default_factory=dict)
    keys_until: datetime | None = None
    keys_from: datetime | None = None


class GoogleOpenId:
    """Google, or the sandbox in its place. Keeps what Google says may be kept; one for a process."""

    def __init__(self, outbound: Outbound, settings: GoogleSettings, issuer: str) -> None:
        self._outbound = outbound
        self._settings = settings
        self._issuer = issuer
        self._kept = _Kept()

    async def address(self, *, state: str, nonce: str, verifier: str, back: str) -> str:
        """Where the browser is sent. Raises `TransientError` when nobody answers."""
        query = {
            "client_id": self._settings.client_id,
            "redirect_uri": back,
            "response_type": "code",
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
            "prompt": "select_account",
        }
        return f"{(await self._discovery()).authorization_endpoint}?{urlencode(query)}"

    async def account(self, *, code: str, nonce: str, verifier: str, back: str) -> GoogleAccount:
        """Whom a code stands for; it is good once. Raises `NotFromGoogle`, `TransientError`."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret,
            "redirect_uri": back,
            "code_verifier": verifier,
        }
        endpoint = (await self._discovery()).token_endpoint
        answer = await self._outbound.send("google", "POST", endpoint, form=form)
        if answer.status == 429 or answer.status >= 500:
            _try_later()
        token = _read(TokenAnswer, answer)
        if not answer.ok or not token.id_token:
            _refuse(f"token: {token.error or answer.status}")
        return await self._account_in(token.id_token, nonce)

    async def _account_in(self, id_token: str, nonce: str) -> GoogleAccount:
        key = await self._key_of(id_token)
        try:
            claims: dict[str, object] = jwt.decode(
                id_token,
                key.key,
                algorithms=["RS256"],  # whatever the token's own header says
                options={
                    "require": ["iss", "aud", "exp", "iat", "sub"],
                    # By our clock, and as Google does it: in the domain's rule.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_aud": False,
                },
            )
        except jwt.InvalidTokenError as error:
            _refuse(f"id_token: {type(error).__name__}")
        found = account_of(
            claims, issuer=self._issuer, client_id=self._settings.client_id, nonce=nonce, now=clock.now()
        )
        if isinstance(found, str):
            _refuse(f"id_token: {found}", verified=found not in ("email", "email_verified"))
        return found

    async def _key_of(self, id_token: str) -> jwt.PyJWK:
        try:
            header = jwt.get_unverified_header(id_token)
        except jwt.InvalidTokenError:
            _refuse("id_token: unreadable")
        kid = header.get("kid")
        if header.get("alg") != "RS256" or not isinstance(kid, str):
            _refuse("id_token: alg or kid")
        keys = await self._keys()
        if kid not in keys and clock.now() >= (self._kept.keys_from or clock.now()) + _ASK_AGAIN:
            self._kept.keys_until = None  # Google has a new key before ours are too old
            keys = await self._keys()
        if kid not in keys:
            _refuse("id_token: unknown kid")
        return keys[kid]

    async def _discovery(self) -> Discovery:
        kept = self._kept
        if kept.discovery is None or kept.discovery_until is None or clock.now() >= kept.discovery_until:
            answer = await self._get(f"{self._issuer}/.well-known/openid-configuration")
            found = _read(Discovery, answer)
            if found.issuer.rstrip("/") != self._issuer:  # OpenID Connect Discovery 1.0, section 4.3
                _refuse(f"discovery: issuer is {found.issuer}")
            kept.discovery, kept.discovery_until = found, clock.now() + _keep(answer)
        return kept.discovery

    async def _keys(self) -> Mapping[str, jwt.PyJWK]:
        kept = self._kept
        if kept.keys_until is None or clock.now() >= kept.keys_until:
            answer = await self._get((await self._discovery()).jwks_uri)
            kept.keys = {key["kid"]: jwt.PyJWK(key, "RS256") for key in _read(KeySet, answer).keys if _is_for_us(key)}
            kept.keys_from, kept.keys_until = clock.now(), clock.now() + _keep(answer)
        return kept.keys

    async def _get(self, url: str) -> Answer:
        answer = await self._outbound.send("google", "GET", url)
        if not answer.ok:
            _try_later()
        return answer


def _is_for_us(key: Mapping[str, object]) -> bool:
    return key.get("kty") == "RSA" and key.get("use", "sig") == "sig" and isinstance(key.get("kid"), str)


def _keep(answer: Answer) -> timedelta:
    found = re.search(r"max-age=(\d{1,9})", answer.headers.get("cache-control", ""))
    return min(max(timedelta(seconds=int(found[1])) if found else _SHORTEST, _SHORTEST), _LONGEST)


def _read(model: type[W], answer: Answer) -> W:
    try:
        return model.model_validate_json(answer.body)
    except ValidationError:
        _refuse(f"{model.__name__}: unreadable")


def _try_later() -> NoReturn:
    raise TransientError(N_("Google does not answer right now. Try again in a minute, or sign in with a code."))


def _refuse(reason: str, *, verified: bool = True) -> NoReturn:
    _log.warning("sign in with google refused: %s", reason)
    if not verified:
        raise NotFromGoogle(
            N_("Google has not verified the e-mail address of this account. Sign in with a code instead."), reason
        )
    raise NotFromGoogle(N_("Signing in with Google did not work. Start again, or sign in with a code."), reason)
