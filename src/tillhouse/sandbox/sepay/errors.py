"""Refusals of SePay's APIs."""

from fastapi.responses import JSONResponse
from pydantic import JsonValue

from tillhouse.sandbox.player import Refusal

_WORDS = {
    400: ("bad_request", "Bad request"),
    401: ("unauthorized", "Unauthorized"),
    403: ("forbidden", "Forbidden"),
    404: ("not_found", "Not found"),
    422: ("validation_error", "The given data was invalid"),
    429: ("too_many_requests", "Too many requests"),
    504: ("timeout", "The server did not answer in time"),
}


class SepayError(Refusal):
    """A refusal by the transaction API v2 or the payment gateway."""

    def __init__(self, status: int, message: str | None = None, headers: dict[str, str] | None = None) -> None:
        self.code, words = _WORDS.get(status, ("server_error", "Internal server error"))
        super().__init__(message or words)
        self.status = status
        self.headers = headers

    def response(self) -> JSONResponse:
        document: JsonValue = {"status": "error", "error_code": self.code, "message": str(self)}
        return JSONResponse(document, self.status, self.headers)
