"""Stripe's error body, and the refusals that more than one endpoint gives."""

from collections.abc import Mapping
from typing import Literal

from fastapi.responses import JSONResponse
from pydantic import JsonValue

from tillhouse.sandbox.player import Refusal

ErrorType = Literal["api_error", "card_error", "idempotency_error", "invalid_request_error"]

_DOCS = "https://stripe.com/docs/error-codes/"


class StripeError(Refusal):
    """A refusal, as Stripe words it. `kept` says whether an idempotency key remembers it: what is refused
    before the work started (a bad key, bad parameters) may be sent again, mended, under the same key."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: ErrorType = "invalid_request_error",  # noqa: A002 - the wire's own name
        code: str | None = None,
        param: str | None = None,
        kept: bool = True,
        more: Mapping[str, JsonValue] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kept = kept
        self.error: dict[str, JsonValue] = {"message": message, "type": type}
        if code is not None:
            self.error |= {"code": code, "doc_url": _DOCS + code.replace("_", "-")}
        if param is not None:
            self.error["param"] = param
        self.error |= dict(more or {})

    def response(self, request_id: str | None = None) -> JSONResponse:
        error = dict(self.error)
        if request_id is not None:
            error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}?t=1"
        return JSONResponse({"error": error}, self.status, {"Request-Id": request_id} if request_id else None)


def missing(noun: str, record_id: str, param: str = "id") -> StripeError:
    """An id that names nothing: 404 where it stands in the address, 400 where it is a parameter."""
    status = 404 if param in {"id", "intent"} else 400
    return StripeError(f"No such {noun}: '{record_id}'", status=status, code="resource_missing", param=param)


def bad_parameter(message: str, param: str, code: str | None = None) -> StripeError:
    """A parameter that does not hold, told apart from a refusal of the work itself."""
    return StripeError(message, code=code, param=param, kept=False)


def no_such_url(method: str, path: str) -> StripeError:
    """An address that Stripe does not serve."""
    message = (
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at"
        " https://support.stripe.com/."
    )
    return StripeError(message, status=404, kept=False)


def throttled() -> StripeError:
    """Too many requests."""
    message = "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits."
    return StripeError(message, status=429, code="rate_limit", kept=False)


def server_error(status: int = 500) -> StripeError:
    """Stripe's own trouble."""
    return StripeError(
        "An unknown error occurred. If this error persists, please contact support.", status=status, type="api_error"
    )


def insufficient_balance() -> StripeError:
    """Too little money that is available."""
    message = (
        "You have insufficient available funds in your Stripe account. Try adding funds directly to your available"
        " balance by creating Charges using the 4000000000000077 test card."
    )
    return StripeError(message, code="balance_insufficient")
