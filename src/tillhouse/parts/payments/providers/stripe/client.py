"""Sending to Stripe: the key, the version, bracketed forms, and what an answer means for the money."""

from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from tillhouse.kernel.money import Money
from tillhouse.kernel.outbound import Answer, Outbound, OutcomeUnknown
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.ports import BadSignature, ProviderEvent
from tillhouse.parts.payments.providers.answers import path_part, raise_for, read, require_timed_match
from tillhouse.parts.payments.providers.stripe.settings import StripeSettings
from tillhouse.parts.payments.providers.stripe.wire import EventObject, EventWire, Page, StripeError

W = TypeVar("W", bound=BaseModel)

REAL = "https://api.stripe.com/v1"
_VERSION = "2026-10-28.endive"
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
        return read(shape, await self._send("GET", path, params=params), "Stripe")

    async def post(self, shape: type[W], path: str, form: Mapping[str, str], *, key: str) -> W:
        """Make or change one object, once per `key` (for at least 24 hours)."""
        return read(shape, await self._send("POST", path, form=form, key=key), "Stripe")

    async def delete(self, shape: type[W], path: str) -> W:
        """Make an object be no more. Raises `Refused` for one that is none."""
        return read(shape, await self._send("DELETE", path), "Stripe")

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

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        """Check `Stripe-Signature` over the raw bytes, then read them: one endpoint takes payments and transfers.

        Raises `BadSignature`.
        """
        self._check(body, headers.get("stripe-signature", ""))
        try:
            return _event(EventWire.model_validate_json(body))
        except ValidationError:
            raise BadSignature(N_("This is signed, but it is not an event.")) from None

    def _check(self, body: bytes, header: str) -> None:
        pairs = [part.strip().partition("=") for part in header.split(",")]
        at = next((value for name, _, value in pairs if name == "t"), "")
        given = [value for name, _, value in pairs if name == "v1"]
        secrets = [secret.encode() for secret in self._settings.webhook_secrets if secret]
        require_timed_match(body, at, given, secrets)

    async def _send(
        self,
        method: Literal["GET", "POST", "DELETE"],
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
        raise_for(answer, "Stripe", _error_of)
        return answer


def safe(identifier: str) -> str:
    """An id as part of a path. Raises `Refused` for one that could not be Stripe's."""
    return path_part(identifier, "Stripe")


def _error_of(body: bytes) -> tuple[str | None, str | None]:
    error = _ErrorBody.model_validate_json(body).error
    return error.decline_code or error.code or error.type, error.message


def _event(event: EventWire) -> ProviderEvent:
    """A session in which a card is given is no order, and is asked about in time without its event."""
    about, kind = event.data.object, event.data.object.object
    return ProviderEvent(
        event_id=event.id,
        name=event.type,
        order_id=about.id if kind == "checkout.session" and about.mode != "setup" else None,
        payment_id=about.id if kind == "payment_intent" else about.payment_intent,
        refund_id=about.id if kind == "refund" else None,
        dispute_id=about.id if kind == "dispute" else None,
        payout_id=about.id if kind == "transfer" else None,
        payout_reference=about.transfer_group if kind == "transfer" else None,
        receipt=about.client_reference_id or (about.metadata or {}).get("receipt"),
        amount=_amount(about),
    )


def _amount(about: EventObject) -> Money | None:
    minor = about.amount_total if about.object == "checkout.session" else about.amount
    whole = about.object in ("checkout.session", "payment_intent", "transfer")
    return Money(minor, about.currency.upper()) if whole and minor is not None and about.currency else None
