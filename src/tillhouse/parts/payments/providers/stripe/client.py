"""Sending to Stripe: the key, the version, bracketed forms, and what an answer means for the money."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from tillhouse.kernel import clock
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.outbound import Answer, Outbound, OutcomeUnknown
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.ports import BadSignature, Refused
from tillhouse.parts.payments.providers.stripe.settings import StripeSettings
from tillhouse.parts.payments.providers.stripe.wire import EventWire, Page, StripeError

W = TypeVar("W", bound=BaseModel)

REAL = "https://api.stripe.com/v1"
_VERSION = "2026-10-28.endive"
_TOLERANCE = 300  # seconds between signing and receiving, as in Stripe's own libraries
_MOST_PAGES = 1000


class _ErrorBody(BaseModel):
    error: StripeError = StripeError()


class StripeClient:
    """One account at Stripe. Every call goes through the house's outbound client."""

    def __init__(self, outbound: Outbound, settings: StripeSettings, *, sandbox: str = "") -> None:
        base = settings.base_url or (f"{sandbox.rstrip('/')}/stripe/v1" if sandbox else REAL)
        self.base = base.rstrip("/")
        self._outbound = outbound
        self._settings = settings

    async def get(self, shape: type[W], path: str, params: Mapping[str, str] | None = None) -> W:
        """One object. Raises `Refused`, `OutcomeUnknown`, `NotSent`."""
        return _read(shape, await self._send("GET", path, params=params))

    async def post(self, shape: type[W], path: str, form: Mapping[str, str], *, key: str) -> W:
        """Make or change one object, once per `key` (for at least 24 hours)."""
        return _read(shape, await self._send("POST", path, form=form, key=key))

    async def every(self, shape: type[Page[W]], path: str, params: Mapping[str, str]) -> list[W]:
        """All objects of a list, page by page."""
        found: list[W] = []
        after: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            page = await self.get(shape, path, {**params, "limit": "100", **after})
            found += page.data
            if not page.has_more or not page.data:
                return found
            after = {"starting_after": str(getattr(page.data[-1], "id"))}  # noqa: B009  # every listed object has one
        raise OutcomeUnknown(N_("{provider} gave an answer that we do not understand."), provider="Stripe")

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> EventWire:
        """Check `Stripe-Signature` over the raw bytes, then read them. Raises `BadSignature`."""
        self._check(body, headers.get("stripe-signature", ""))
        try:
            return EventWire.model_validate_json(body)
        except ValidationError:
            raise BadSignature(N_("This is signed, but it is not an event.")) from None

    def _check(self, body: bytes, header: str) -> None:
        pairs = [part.strip().partition("=") for part in header.split(",")]
        at = next((value for name, _, value in pairs if name == "t"), "")
        given = [value.encode("utf-8", "replace") for name, _, value in pairs if name == "v1"]
        if not at.isascii() or not at.isdigit() or abs(clock.now().timestamp() - int(at[:12])) > _TOLERANCE:
            raise BadSignature(N_("The signature is not of now."))
        expected = [_signature(secret, at, body) for secret in self._settings.webhook_secrets if secret]
        matches = [hmac.compare_digest(one, other) for one in given for other in expected]
        if not any(matches):
            raise BadSignature(N_("The signature does not match."))

    async def _send(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self._settings.secret_key}", "Stripe-Version": _VERSION}
        if key:
            headers["Idempotency-Key"] = key
        answer = await self._outbound.send(
            "stripe", method, self.base + path, form=form, params=params, headers=headers
        )
        _raise_for(answer)
        return answer


def safe(identifier: str) -> str:
    """An id as part of a path. Raises `Refused` for one that could not be Stripe's."""
    if not identifier.isascii() or not identifier.replace("_", "").isalnum():
        raise _refused(StripeError(code="bad_id", message="bad id"), 400)
    return identifier


def _signature(secret: str, at: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest().encode()


def _read(shape: type[W], answer: Answer) -> W:
    """The answer as `shape`. One that we cannot read leaves us as ignorant as none. Raises `OutcomeUnknown`."""
    try:
        return shape.model_validate_json(answer.body)
    except ValidationError:
        raise OutcomeUnknown(N_("{provider} gave an answer that we do not understand."), provider="Stripe") from None


def _raise_for(answer: Answer) -> None:
    """4xx is final, except conflict and throttling (not looked at). 5xx may or may not have had its effect."""
    if answer.ok:
        return
    if answer.status >= 500:
        raise OutcomeUnknown(N_("{provider} did not answer in time."), provider="Stripe")
    if answer.status in (408, 409, 425, 429):
        raise TransientError(N_("{provider} is busy right now."), provider="Stripe")
    try:
        error = _ErrorBody.model_validate_json(answer.body).error
    except ValidationError:
        error = StripeError()
    raise _refused(error, answer.status)


def _refused(error: StripeError, status: int) -> Refused:
    return Refused(
        N_("{provider} said no: {description}"),
        reason=error.decline_code or error.code or error.type or f"status_{status}",
        description=error.message or str(status),
        provider="Stripe",
    )
