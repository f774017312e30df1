"""What Razorpay and RazorpayX have in common on the wire: the webhook's envelope and signature, and errors.

A module beside the vendors' folders, so that either folder can still be deleted by itself.
"""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator

from tillhouse.kernel.outbound import Answer
from tillhouse.parts.payments.providers import answers


class _Holder(BaseModel):
    entity: dict[str, object]


def _payload(value: object) -> object:
    """The objects alone: Razorpay puts other things beside them (the time, in `refund.speed_changed`)."""
    return {kind: one for kind, one in value.items() if isinstance(one, dict)} if isinstance(value, dict) else {}


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
    """Turn an answer that is not 2xx into what it means for the money: see `answers.raise_for`."""
    answers.raise_for(answer, provider, _error_of)


def _error_of(body: bytes) -> tuple[str | None, str | None]:
    error = _ErrorBody.model_validate_json(body).error
    return error.reason or error.code, error.description


def check_signature(message: bytes, signature: str, secrets: tuple[str, ...]) -> None:
    """Hex HMAC-SHA256 under one of the secrets. Raises `BadSignature`."""
    signed = [answers.hmac_sha256(secret.encode(), message).hex() for secret in secrets if secret]
    answers.require_match([signature], signed)
