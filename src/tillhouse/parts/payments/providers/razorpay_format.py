"""What Razorpay and RazorpayX have in common on the wire: the webhook's envelope and signature, and errors.

A module beside the vendors' folders, so that either folder can still be deleted by itself.
"""

import hashlib
import hmac
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ValidationError

from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.outbound import Answer, OutcomeUnknown
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.ports import BadSignature, Refused


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
