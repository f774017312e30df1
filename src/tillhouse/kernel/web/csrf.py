"""Proof that a form was ours: a token bound to the session (or to an anonymous cookie before there is one).

The token is `nonce.HMAC(key, nonce + binding)`: nothing is stored, every page carries another one (so compression gives
nothing away), and one person's token is worth nothing to another. Beside it, a browser that says the request comes from
another site is refused whatever token it brings.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from tillhouse.kernel.errors import Forbidden
from tillhouse.kernel.text import N_

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
ANONYMOUS_COOKIE = "visitor"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
_ANONYMOUS_SECONDS = 30 * 24 * 3600


def issue_token(key: bytes, binding: str) -> str:
    """A fresh token for whoever `binding` stands for."""
    nonce = secrets.token_hex(16)
    return f"{nonce}.{_seal(key, nonce, binding)}"


def is_valid(key: bytes, binding: str, token: str) -> bool:
    """Whether `token` was issued under `key` for `binding`. Takes the same time for every wrong token."""
    nonce, _, seal = token.partition(".")
    return hmac.compare_digest(seal.encode(), _seal(key, nonce, binding).encode())


def _seal(key: bytes, nonce: str, binding: str) -> str:
    return hmac.new(key, f"csrf\0{nonce}\0{binding}".encode(), hashlib.sha256).hexdigest()


def is_same_origin(headers: Mapping[str, str], host: str, trusted: frozenset[str] = frozenset()) -> bool:
    """Whether the browser says that the request comes from our own pages.

    `headers` has lower-case names; `host` is the one asked for; `trusted` are further origins (`https://shop.example`).
    A client that sends neither Sec-Fetch-Site nor Origin (no browser of the last years) is left to the token.
    """
    origin = headers.get("origin")
    if origin in trusted:
        return True
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or (origin != "null" and urlsplit(origin).netloc == host)


class Csrf:
    """The tokens of an app: hands them to pages, checks them on requests. An instance is a FastAPI dependency."""

    def __init__(
        self,
        key: bytes,
        *,
        session_of: Callable[[Request], str | None] = lambda request: None,
        secure: bool = True,
        trusted: frozenset[str] = frozenset(),
    ) -> None:
        """`session_of` names the signed-in session of a request; `secure` marks the anonymous cookie HTTPS-only."""
        if len(key) < 16:
            raise ValueError("the CSRF key needs at least 16 bytes")
        self._key, self._session_of, self._secure, self._trusted = key, session_of, secure, trusted

    def token(self, request: Request) -> str:
        """The token for forms in the answer to `request`."""
        binding = self._binding(request)
        if binding is None:
            visitor = secrets.token_urlsafe(18)
            request.state.new_visitor = visitor
            binding = f"visitor:{visitor}"
        return issue_token(self._key, binding)

    def attach(self, request: Request, response: Response) -> None:
        """Set the anonymous cookie where `token` had to invent one."""
        visitor: str | None = getattr(request.state, "new_visitor", None)
        if visitor is not None:
            response.set_cookie(
                ANONYMOUS_COOKIE,
                visitor,
                max_age=_ANONYMOUS_SECONDS,
                httponly=True,
                samesite="lax",
                secure=self._secure,
            )

    async def __call__(self, request: Request) -> None:
        """Refuse a request that changes something and does not prove that our own page sent it.

        Raises `Forbidden`.
        """
        if request.method in _SAFE:
            return
        if not is_same_origin(request.headers, request.headers.get("host", ""), self._trusted):
            raise Forbidden(N_("This came from another site, so nothing was changed."))
        binding = self._binding(request)
        if binding is None or not is_valid(self._key, binding, await _sent_token(request)):
            raise Forbidden(N_("This page was open for too long. Nothing was changed: load it again and repeat."))

    def _binding(self, request: Request) -> str | None:
        session = self._session_of(request)
        if session is not None:
            return f"session:{session}"
        visitor = getattr(request.state, "new_visitor", None) or request.cookies.get(ANONYMOUS_COOKIE)
        return f"visitor:{visitor}" if visitor else None


async def _sent_token(request: Request) -> str:
    header = request.headers.get(HEADER)
    if header is not None:
        return header
    if not request.headers.get("content-type", "").startswith(
        ("application/x-www-form-urlencoded", "multipart/form-data")
    ):
        return ""
    sent = (await request.form()).get(FIELD)
    return sent if isinstance(sent, str) else ""
