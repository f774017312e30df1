"""What the pages share: who comes, where they go next, and the two cookies of identity."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import jwt
from fastapi import Depends, Request
from fastapi.responses import Response

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, open_to_all, require
from tillhouse.kernel.house import House
from tillhouse.kernel.http import house_of_request
from tillhouse.kernel.limits import client_address
from tillhouse.kernel.web import i18n
from tillhouse.kernel.web.deps import web_of
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.identity.domain import CODE_PAUSE, Identifier, Purpose, derive_key, device_of
from tillhouse.parts.identity.flows import COOKIE, Caller
from tillhouse.parts.identity.flows.google import BACK
from tillhouse.parts.identity.service.challenges import Otp
from tillhouse.parts.identity.service.sessions import SignIn

Anyone = Annotated[Principal, Depends(open_to_all("whoever wants in is nobody yet"))]
Me = Annotated[Principal, Depends(require("identity.me"))]

_PENDING = "till_code"
_PENDING_LIFE = timedelta(minutes=30)
_YEAR = 365 * 24 * 3600  # the session itself ends long before, on the server
_ENTRANCES = ("/sign-in", "/register", "/confirm", "/forgot", "/reset", "/sign-out", BACK)


@dataclass(frozen=True, slots=True)
class Pending:
    """A code that this browser waits for: where it went, what for, and where to go after it."""

    identifier: Identifier
    purpose: Purpose
    challenge_id: UUID
    wait: int
    next: str


def caller_of(request: Request) -> Caller:
    """Where this browser is, and the language that it reads."""
    return Caller(
        kind="pages",
        address=client_address(request),
        device=device_of(request.headers.get("user-agent", "")),
        locale=i18n.reader().language.tag,
    )


def safe_next(path: str) -> str:
    """`path` when it leads to a page of this host that is worth coming back to, else nothing."""
    if not path.startswith("/") or path.startswith(("//", "/\\")) or any(ord(c) < 32 or c == "\\" for c in path):
        return ""
    parts = urlsplit(path)
    return "" if parts.netloc or parts.scheme or parts.path in _ENTRANCES else path


def home_of(house: House) -> str:
    """Where someone goes who did not say: the first product, else the front door."""
    return next((f"/{module.name}/" for module in house.modules if module.floor == "product"), "/")


def welcome(request: Request, begun: SignIn, next_path: str, *, second_factor: bool = False) -> Response:
    """Lead a person on who has just signed in, by way of their authenticator where they have one."""
    path = safe_next(next_path) or home_of(house_of_request(request))
    response = go(request, f"/step-up?{urlencode({'next': path})}" if second_factor else path)
    response.set_cookie(
        COOKIE, begun.cookie or "", max_age=_YEAR, httponly=True, samesite="lax", secure=is_secure(request)
    )
    response.delete_cookie(_PENDING)
    return response


def go(request: Request, path: str, *toasts: Toast) -> Response:
    """Lead on to a page of this host."""
    return redirect(request, path, *toasts, secure=is_secure(request))


def forget_cookie(response: Response) -> Response:
    """The browser is signed out."""
    response.delete_cookie(COOKIE)
    return response


def wait_for_code(
    request: Request, path: str, otp: Otp, *, purpose: Purpose, identifier: Identifier, next_path: str
) -> Response:
    """Lead on to where the code is typed, and keep in the browser what it is for."""
    response = go(request, path)
    claims = {
        "kind": identifier.kind,
        "value": identifier.value,
        "purpose": purpose,
        "challenge": str(otp.challenge_id),
        "next": safe_next(next_path),
        "sent": int(clock.now().timestamp()),
    }
    token = jwt.encode(claims, _key(request), algorithm="HS256")
    response.set_cookie(
        _PENDING,
        token,
        max_age=int(_PENDING_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_secure(request),
    )
    return response


def pending_code(request: Request) -> Pending | None:
    """The code that this browser waits for, None where it waits for none."""
    try:
        claims = jwt.decode(request.cookies.get(_PENDING, ""), _key(request), algorithms=["HS256"])
    except jwt.InvalidTokenError:
        return None
    age = int(clock.now().timestamp()) - int(claims["sent"])
    if age > _PENDING_LIFE.total_seconds():
        return None
    return Pending(
        identifier=Identifier(claims["kind"], claims["value"]),
        purpose=claims["purpose"],
        challenge_id=UUID(claims["challenge"]),
        wait=max(0, int(CODE_PAUSE.total_seconds()) - age),
        next=claims["next"],
    )


def _key(request: Request) -> bytes:
    return derive_key(house_of_request(request).settings.secret_key, "pending codes")


def is_secure(request: Request) -> bool:
    """Whether cookies are for https alone."""
    return web_of(request).secure
