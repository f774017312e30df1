"""Anthropic's error body."""

from typing import Any

from fastapi.responses import JSONResponse

from tillhouse.sandbox import ids
from tillhouse.sandbox.player import Refusal

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
          413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error"}  # fmt: skip


class AnthropicError(Refusal):
    """A refusal, as Anthropic words it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status

    def response(self) -> JSONResponse:
        request_id = f"req_{ids.token(24)}"
        headers = {"request-id": request_id}
        if self.status == 429:
            headers["retry-after"] = "0"
        error = {"type": _TYPES.get(self.status, "api_error"), "message": self.message}
        return JSONResponse({"type": "error", "error": error, "request_id": request_id}, self.status, headers)


def trouble(status: int) -> JSONResponse:
    """Too many requests, or the provider's own trouble."""
    message = "This request would exceed your rate limit." if status == 429 else "Internal server error"
    return AnthropicError(message, status).response()


def invalid(errors: Any) -> JSONResponse:
    """The first of pydantic's complaints."""
    first = errors[0]
    place = ".".join(str(one) for one in first["loc"] if one != "body")
    return AnthropicError(f"{place}: {first['msg']}").response()


def no_such_url(_method: str, _path: str, status: int) -> JSONResponse:
    """An address that Anthropic does not serve."""
    return AnthropicError("Not Found", status).response()
