"""Astria's error bodies: fields with their complaints for 422, one sentence for the rest."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import JSONResponse

from tillhouse.sandbox.player import Refusal


class AstriaError(Refusal):
    """A refusal."""

    def __init__(self, status: int, body: Mapping[str, object]) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = dict(body)

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status)


def unprocessable(field: str, complaint: str) -> AstriaError:
    """What is wrong with a field."""
    return AstriaError(422, {field: [complaint]})


def not_found() -> AstriaError:
    """No such object of this account."""
    return AstriaError(404, {"error": "Not Found"})


def trouble(status: int) -> JSONResponse:
    """Too many requests, or Astria's own trouble."""
    sentence = {429: "Too Many Requests", 504: "Gateway Timeout"}.get(status, "Internal Server Error")
    return AstriaError(status, {"error": sentence}).response()


def no_such_url(_method: str, _path: str, status: int) -> JSONResponse:
    """An address that Astria does not serve."""
    return AstriaError(status, {"error": "Not Found"}).response()


def invalid(complaints: Sequence[Any]) -> JSONResponse:
    """The first of pydantic's complaints."""
    first = complaints[0]
    return unprocessable(str(first["loc"][-1]), str(first["msg"])).response()
