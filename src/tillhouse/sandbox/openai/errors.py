"""OpenAI's error body."""

from typing import Any

from fastapi.responses import JSONResponse

from tillhouse.sandbox import ids
from tillhouse.sandbox.player import Refusal


class OpenAIError(Refusal):
    """A refusal, as OpenAI words it."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",  # noqa: A002 - the wire's own name
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": type, "param": param, "code": code}

    def response(self) -> JSONResponse:
        headers = {"x-request-id": f"req_{ids.token(24)}"}
        if self.status == 429:
            headers |= {"retry-after-ms": "20", "retry-after": "1"}
        return JSONResponse({"error": self.error}, self.status, headers)


def trouble(status: int) -> JSONResponse:
    """Too many requests, or the provider's own trouble."""
    if status == 429:
        message = "Rate limit reached for requests. Please try again in 20ms."
        error = OpenAIError(message, status=429, type="requests", code="rate_limit_exceeded")
    else:
        message = "The server had an error while processing your request. Sorry about that!"
        error = OpenAIError(message, status=status, type="server_error")
    return error.response()


def invalid(errors: Any) -> JSONResponse:
    """The first of pydantic's complaints."""
    first = errors[0]
    param = ".".join(str(one) for one in first["loc"] if one != "body") or None
    return OpenAIError(f"Invalid value for '{param}': {first['msg']}.", code="invalid_value", param=param).response()


def no_such_url(method: str, path: str, status: int) -> JSONResponse:
    """An address that OpenAI does not serve."""
    return OpenAIError(f"Invalid URL ({method} {path.removeprefix('/openai')})", status=status).response()
