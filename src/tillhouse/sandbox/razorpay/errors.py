"""Razorpay's error body, and how bad input becomes one."""

from collections.abc import Sequence
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import JsonValue

from tillhouse.sandbox.player import Refusal


class RazorpayError(Refusal):
    """A refusal, as Razorpay words it."""

    def __init__(
        self,
        description: str,
        *,
        status: int = 400,
        code: str = "BAD_REQUEST_ERROR",
        field: str | None = None,
        source: str = "business",
        step: str = "payment_initiation",
        reason: str = "input_validation_failed",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(description)
        self.status = status
        self.headers = headers
        self.body: JsonValue = {
            "error": {
                "code": code,
                "description": description,
                "field": field,
                "source": source,
                "step": step,
                "reason": reason,
                "metadata": {},
            }
        }

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, self.headers)


def no_such_id() -> RazorpayError:
    """An id of the right form that names nothing: Razorpay answers 400, not 404."""
    return RazorpayError("The id provided does not exist")


def no_such_url() -> RazorpayError:
    """An address that Razorpay does not serve."""
    return RazorpayError(
        "The requested URL was not found on the server.", status=404, source="NA", step="NA", reason="NA"
    )


def unauthorized() -> RazorpayError:
    """A wrong key id or secret."""
    return RazorpayError("Authentication failed", status=401, source="NA", step="NA", reason="NA")


def payout_error(description: str, field: str | None = None, reason: str = "input_validation_failed") -> RazorpayError:
    """RazorpayX names no step."""
    return RazorpayError(description, field=field, step="NA", reason=reason)


def throttled() -> RazorpayError:
    """Too many requests."""
    return RazorpayError("Request failed. Please try after sometime.", status=429, source="NA", step="NA", reason="NA")


def server_error() -> RazorpayError:
    """Razorpay's own trouble."""
    return RazorpayError(
        "We are facing some trouble completing your request at the moment. Please try again shortly.",
        status=500,
        code="SERVER_ERROR",
        source="internal",
        step="NA",
        reason="server_error",
    )


def from_validation(errors: Sequence[Any]) -> RazorpayError:
    """The first of pydantic's complaints in Razorpay's words (which names one field at a time)."""
    first = errors[0]
    parts = [str(part) for part in first["loc"][1:]]
    field = None if first["type"] == "json_invalid" else ".".join(parts) or "body"
    context = first.get("ctx", {})
    messages = {
        "missing": f"The {field} field is required.",
        "extra_forbidden": f"{field} is/are not required and should not be sent",
        "greater_than_equal": f"The {field} must be at least {context.get('ge')}.",
        "less_than_equal": f"The {field} may not be greater than {context.get('le')}.",
        "string_too_long": f"The {field} may not be greater than {context.get('max_length')} characters.",
        "string_too_short": f"The {field} must be at least {context.get('min_length')} characters.",
        "int_type": f"The {field} must be an integer.",
        "int_from_float": f"The {field} must be an integer.",
        "json_invalid": "The request body is not valid JSON.",
    }
    return RazorpayError(messages.get(first["type"], f"The {field} field is invalid."), field=field)
