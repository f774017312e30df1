"""Who calls, by HTTP Basic: as most providers ask."""

import base64
import hmac

from fastapi import Request


def basic_credentials(request: Request) -> tuple[str, str]:
    """The name and password that were given; empty for none."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return name, password


def is_basic(request: Request, name: str, password: str) -> bool:
    """Whether the caller gave just this name and password."""
    given = ":".join(basic_credentials(request))
    return hmac.compare_digest(given.encode(), f"{name}:{password}".encode())
