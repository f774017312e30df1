"""Omise's error body."""

from collections.abc import Sequence
from typing import Any

from fastapi.responses import JSONResponse

from tillhouse.sandbox.player import Refusal

_STATUS = {"authentication_failure": 401, "not_found": 404, "internal_error": 500}
# Omise.js calls from a shop's page: it must be able to read why it was refused.
_READABLE_ANYWHERE = {"Access-Control-Allow-Origin": "*"}


class OmiseError(Refusal):
    """A refusal, as Omise words it."""

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or _STATUS.get(code, 400)

    def response(self) -> JSONResponse:
        document = {
            "object": "error",
            "location": f"https://docs.omise.co/api-errors#{self.code.replace('_', '-')}",
            "code": self.code,
            "message": self.message,
        }
        return JSONResponse(document, self.status, _READABLE_ANYWHERE)


def unauthorized() -> OmiseError:
    """No key, a wrong key, or a public key where the secret one is needed."""
    return OmiseError("authentication_failure", "authentication failed")


def not_found(noun: str, object_id: str) -> OmiseError:
    """An id that names nothing."""
    return OmiseError("not_found", f"{noun} {object_id} was not found")


def no_such_url() -> OmiseError:
    """An address that Omise does not serve."""
    return OmiseError("not_found", "the requested URL was not found")


def bad_request(message: str) -> OmiseError:
    """Input that cannot be worked with."""
    return OmiseError("bad_request", message)


def throttled() -> OmiseError:
    """Too many requests. The code of this error is not documented: `too_many_requests` is the sandbox's choice."""
    return OmiseError("too_many_requests", "too many requests, try again later", status=429)


def server_error(status: int = 500) -> OmiseError:
    """Omise's own trouble."""
    return OmiseError("internal_error", "an internal error occurred", status=status)


def from_validation(errors: Sequence[Any]) -> OmiseError:
    """The first of pydantic's complaints in Omise's words."""
    first = errors[0]
    field = ".".join(str(part) for part in first["loc"]) or "body"
    if first["type"] == "missing":
        return bad_request(f"{field} is missing")
    if first["type"] == "greater_than_equal":
        return bad_request(f"{field} must be greater than or equal to {first['ctx']['ge']}")
    return bad_request(f"{field} is invalid")
