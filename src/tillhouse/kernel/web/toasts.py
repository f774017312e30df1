"""Short messages about what just happened: carried over a redirect in a cookie, or in a header for htmx."""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

from fastapi import Request
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from starlette.responses import RedirectResponse, Response

COOKIE = "toasts"
Tone = Literal["success", "info", "warning", "danger"]
_MAX_COOKIE = 3000


@dataclass(frozen=True, slots=True)
class Toast:
    """One message: `title` says what happened, `text` what it means."""

    title: str
    text: str = ""
    tone: Tone = "success"


_TOASTS = TypeAdapter(tuple[Toast, ...])


def flash(response: Response, *toasts: Toast, secure: bool = True) -> None:
    """Show `toasts` on the next page that this browser loads."""
    packed = base64.urlsafe_b64encode(_TOASTS.dump_json(toasts)).decode()
    if len(packed) <= _MAX_COOKIE:
        response.set_cookie(COOKIE, packed, max_age=60, httponly=True, samesite="lax", secure=secure)


def pending(request: Request) -> Sequence[Toast]:
    """The toasts to show on this page. A cookie that is not ours shows nothing."""
    packed = request.cookies.get(COOKIE, "")
    try:
        return _TOASTS.validate_json(base64.urlsafe_b64decode(packed)) if packed else ()
    except (ValueError, ValidationError):
        return ()


def trigger(toast: Toast) -> dict[str, str]:
    """The header that makes htmx show `toast` beside a fragment."""
    return {"HX-Trigger": json.dumps({"toast": asdict(toast)})}


def is_htmx(request: Request) -> bool:
    """Whether htmx asks for a part of a page (not for a whole page that it boosts)."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-boosted") != "true"


def redirect(request: Request, path: str, *toasts: Toast, secure: bool = True) -> Response:
    """After something was done: lead on to `path` (of this host) and say there what happened. Works with htmx too.

    Raises `ValueError` for an address that leaves this host.
    """
    if not path.startswith("/") or path.startswith(("//", "/\\")):
        raise ValueError("a redirect stays on this host")
    response: Response = RedirectResponse(path, 303)
    if is_htmx(request):
        response = Response(status_code=200, headers={"HX-Redirect": response.headers["location"]})
    if toasts:
        flash(response, *toasts, secure=secure)
    return response
