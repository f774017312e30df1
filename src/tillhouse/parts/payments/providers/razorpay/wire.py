"""Razorpay's answers as they are on the wire, and how a refusal is read. Amounts are paise.

Payouts come from the same host with the same errors, so RazorpayX's adapter has a copy of its own: each vendor's folder
can be deleted by itself.
"""

import hashlib
import hmac
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ValidationError

from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.outbound import Answer, OutcomeUnknown
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.ports import BadSignature, Refused


class OrderWire(BaseModel):
    """An order: only what we read of it."""

    id: str
    amount: int
    currency: str
    status: Literal["created", "attempted", "paid"]
    receipt: str | None = None


class PaymentWire(BaseModel):
    """A payment. `refunded` means wholly given back, also what was never captured (`captured` tells which)."""

    id: str
    amount: int
    currency: str
    status: Literal["created", "authorized", "captured", "refunded", "failed"]
    order_id: str | None = None
    method: str | None = None
    captured: bool = False
    amount_refunded: int | None = 0
    fee: int | None = None
    tax: int | None = None
    error_code: str | None = None
    error_description: str | None = None
    error_reason: str | None = None


class Orders(BaseModel):
    """A collection of orders."""

    items: list[OrderWire]


class Payments(BaseModel):
    """A collection of payments."""

    items: list[PaymentWire]


class _Holder(BaseModel):
    entity: dict[str, object]


def _payload(value: object) -> object:
    return value if isinstance(value, dict) else {}


class EventWire(BaseModel):
    """The envelope of a webhook; `payload.<kind>.entity` holds each object."""

    event: str
    payload: Annotated[dict[str, _Holder], BeforeValidator(_payload)] = {}

    def entity(self, kind: str) -> dict[str, object]:
        """The object of that kind; empty when the event is not about one."""
        holder = self.payload.get(kind)
        return holder.entity if holder else {}


class _Error(BaseModel):
    code: str | None = None
    description: str | None = None
    reason: str | None = None


class _ErrorBody(BaseModel):
    error: _Error = _Error()


def raise_for(answer: Answer, provider: str) -> None:
    """Turn an answer that is not 2xx into what it means for the money.

    4xx is final, except 429 (not looked at). 5xx may or may not have had its effect. Raises `Refused`,
    `OutcomeUnknown`, `TransientError`.
    """
    if answer.ok:
        return
    if answer.status >= 500:
        raise OutcomeUnknown(N_("{provider} did not answer in time."), provider=provider)
    if answer.status in (408, 409, 425, 429):
        raise TransientError(N_("{provider} is busy right now."), provider=provider)
    try:
        error = _ErrorBody.model_validate_json(answer.body).error
    except ValidationError:
        error = _Error()
    raise Refused(
        N_("{provider} said no: {description}"),
        reason=error.reason or error.code or f"status_{answer.status}",
        description=error.description or str(answer.status),
        provider=provider,
    )


def check_signature(message: bytes, signature: str, secrets: tuple[str, ...]) -> None:
    """Hex HMAC-SHA256 under one of the secrets, compared in constant time. Raises `BadSignature`."""
    given = signature.encode("utf-8", "replace")
    matches = [hmac.compare_digest(given, _sign(message, secret)) for secret in secrets if secret]
    if not any(matches):
        raise BadSignature(N_("The signature does not match."))


def _sign(message: bytes, secret: str) -> bytes:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().encode()
