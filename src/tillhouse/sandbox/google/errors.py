"""OAuth's error body (RFC 6749, section 5.2), as Google words it."""

from collections.abc import Sequence
from typing import Any

from fastapi.responses import JSONResponse

from tillhouse.sandbox.player import Refusal


class GoogleError(Refusal):
    """A refusal with OAuth's code."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": error, "error_description": description}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, {"Cache-Control": "no-store"})


def trouble(status: int) -> JSONResponse:
    """Too many requests, or Google's own trouble."""
    if status == 429:
        return GoogleError("rate_limit_exceeded", "Rate Limit Exceeded", 429).response()
    return GoogleError("internal_failure", "Backend Error", status).response()


def no_such_url(method: str, path: str, status: int) -> JSONResponse:
    """An address that Google does not serve."""
    return GoogleError(
        "not_found", f"The requested URL {path} was not found on this server ({method}).", status
    ).response()


def invalid(complaints: Sequence[Any]) -> JSONResponse:
    """The first of pydantic's complaints."""
    first = complaints[0]
    return GoogleError("invalid_request", f"Missing or wrong parameter: {first['loc'][-1]}").response()
