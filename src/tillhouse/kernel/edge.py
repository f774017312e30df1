"""What surrounds every request: its id, its log line and metrics, the browser's security headers, a limit on its size.

Plain ASGI, so that streamed answers stay streams.
"""

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tillhouse.kernel.context import tracing
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.logs import get_logger

log = get_logger(__name__)

_SECONDS = Histogram("http_request_seconds", "Time to answer", ["method", "route", "status"])
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

Directive = Literal["script-src", "frame-src", "connect-src", "img-src", "form-action"]


@dataclass(frozen=True, slots=True)
class BrowserOrigin:
    """An outside origin that pages may use, provided by the module that needs it (a gateway's checkout script)."""

    directive: Directive
    origin: str


@dataclass(frozen=True, slots=True)
class BodyAllowance:
    """A path whose requests may be larger than others, provided by the module that takes files there.

    `below`: every path under it, rather than itself.
    """

    path: str
    most_bytes: int
    below: bool = False


class RequestContext:
    """Gives each request an id (a caller's own is kept when it is harmless), logs it once and times it by route."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        offered = Headers(scope=scope).get("x-request-id", "")
        identifier = offered if _SAFE_ID.fullmatch(offered) else str(new_id())
        started, status = time.monotonic(), 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = identifier
            await send(message)

        with tracing(identifier):
            try:
                await self.app(scope, receive, send_with_id)
            finally:
                _record(scope, status, time.monotonic() - started)


def _record(scope: Scope, status: int, seconds: float) -> None:
    # Behind an included router the route itself knows only the end of its path.
    found = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    route = getattr(found, "path", "unmatched")
    method = scope["method"] if scope["method"] in _METHODS else "other"  # a caller could invent one after another
    _SECONDS.labels(method, route, str(status)).observe(seconds)
    if route not in ("/health/live", "/health/ready", "/metrics"):
        log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))


class SecurityHeaders:
    """Tells the browser to trust this origin alone, and the origins that modules provide. No inline script or style."""

    def __init__(self, app: ASGIApp, origins: Iterable[BrowserOrigin] = (), *, https_only: bool = False) -> None:
        self.app = app
        self._headers = {
            "Content-Security-Policy": _policy(list(origins)),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "strict-origin-when-cross-origin",
            "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=(self)",
            "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
        }
        if https_only:
            self._headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/api/v1/"):
                    headers.setdefault("Cache-Control", "no-store")  # tokens and balances stay with who asked
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _policy(origins: Sequence[BrowserOrigin]) -> str:
    sources: dict[str, list[str]] = {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "frame-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
    }
    for found in origins:
        sources[found.directive].append(found.origin)
    return "; ".join(f"{directive} {' '.join(values)}" for directive, values in sources.items())


class BodyLimit:
    """Refuses a request body over `limit` bytes with 413, by its declared length or as it streams in.

    Paths with an allowance have a limit of their own. FastAPI's own limit answers in plain text, from outside our
    middleware: without problem details, request id or log line.
    """

    def __init__(self, app: ASGIApp, limit: int = 1_048_576, allowances: Iterable[BodyAllowance] = ()) -> None:
        self.app, self._limit = app, limit
        found = list(allowances)
        self._allowances = {allowance.path: allowance.most_bytes for allowance in found if not allowance.below}
        self._below = [(allowance.path + "/", allowance.most_bytes) for allowance in found if allowance.below]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdigit() or int(declared) > limit:
            raise HTTPException(413)
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413)
            return message

        await self.app(scope, counted, send)

    def _limit_of(self, path: str) -> int:
        if path in self._allowances:
            return self._allowances[path]
        return next((most for beginning, most in self._below if path.startswith(beginning)), self._limit)
