"""Who may call, and what every answer carries."""

from typing import Annotated

from fastapi import Depends, Header, Response

from tillhouse.sandbox import ids
from tillhouse.sandbox.openai.errors import OpenAIError
from tillhouse.sandbox.world import Here

PREFIX = "/openai"


def _authorised(world: Here, response: Response, authorization: Annotated[str, Header()] = "") -> None:
    key = authorization.removeprefix("Bearer ")
    if not key:
        message = (
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY)."
        )
        raise OpenAIError(message, status=401)
    if key != world.settings.openai_api_key:
        message = f"Incorrect API key provided: {key[:3]}***. You can find your API key in the sandbox's own settings."
        raise OpenAIError(message, status=401, code="invalid_api_key")
    response.headers.update(call_headers())


def call_headers() -> dict[str, str]:
    """The id of a call, and what is left of the limits."""
    return {
        "x-request-id": f"req_{ids.token(24)}",
        "openai-processing-ms": "12",
        "openai-version": "2020-10-01",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-limit-tokens": "2000000",
        "x-ratelimit-remaining-tokens": "1999000",
        "x-ratelimit-reset-tokens": "3ms",
    }


Authorised = Depends(_authorised)
