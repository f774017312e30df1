"""How the Graph API refuses."""

from collections.abc import Mapping

from fastapi.responses import JSONResponse, Response
from pydantic import JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.player import Refusal

_WORDS: Mapping[int, str] = {
    4: "Application request limit reached",
    33: "Unsupported request",
    100: "Invalid parameter",
    190: "Invalid OAuth access token - Cannot parse access token",
    130429: "Rate limit hit",
    131000: "Something went wrong",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131016: "Service unavailable",
    131026: "Message undeliverable",
    131047: "Re-engagement message",
    131050: "User has opted out of marketing messages",
    131052: "Media download error",
    131053: "Media upload error",
    132000: "Number of parameters does not match the expected number of params",
    132001: "Template name does not exist in the translation",
}


class GraphError(Refusal):
    """A refusal by Meta's code for it."""

    def __init__(self, code: int, details: str = "", status: int = 400) -> None:
        super().__init__(_WORDS[code])
        self.code, self.details, self.status = code, details, status

    def response(self) -> JSONResponse:
        return JSONResponse({"error": error_of(self.code, self.details, wire=True)}, self.status)


def error_of(code: int, details: str = "", *, wire: bool = False) -> dict[str, JsonValue]:
    """An error as it stands in an answer (`wire`) or in a status."""
    if not wire:
        return {
            "code": code,
            "title": _WORDS[code],
            "message": _WORDS[code],
            "error_data": {"details": details or _WORDS[code]},
            "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
        }
    found: dict[str, JsonValue] = {
        "message": f"(#{code}) {_WORDS[code]}",
        "type": "OAuthException",
        "code": code,
        "fbtrace_id": ids.token(22),
    }
    if details:
        found["error_data"] = {"messaging_product": "whatsapp", "details": details}
    return found


def trouble(status: int) -> Response:
    """429 and 5xx in Meta's words."""
    return GraphError(130429 if status == 429 else 131000, status=status).response()


def no_such_url(_method: str, path: str, _status: int) -> Response:
    """A path that the Graph API does not serve."""
    return GraphError(33, f"Object with path {path} does not exist", 400).response()
