"""Sending to Omise: the key, the version, lists, signatures, and what an answer means for the money."""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from tillhouse.kernel.money import Money
from tillhouse.kernel.outbound import Outbound
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.ports import BadSignature, ProviderEvent
from tillhouse.parts.payments.providers.answers import path_part, raise_for, read, require_timed_match
from tillhouse.parts.payments.providers.omise.settings import OmiseSettings
from tillhouse.parts.payments.providers.omise.wire import ErrorWire, EventWire, Page, added_fee

W = TypeVar("W", bound=BaseModel)

REAL = "https://api.omise.co"
_VERSION = "2019-05-29"
_PAGE = 100


class OmiseClient:
    """One account at Omise. Every call goes through the house's outbound client."""

    def __init__(self, outbound: Outbound, settings: OmiseSettings, *, sandbox: str = "") -> None:
        self.base = (settings.base_url or sandbox or REAL).rstrip("/")
        self._outbound = outbound
        self._settings = settings

    async def get(self, shape: type[W], path: str, params: Mapping[str, str] | None = None) -> W:
        """One object. Raises `Refused`, `OutcomeUnknown`, `NotSent`."""
        return await self._send("GET", shape, path, params=params)

    async def post(self, shape: type[W], path: str, body: object = None) -> W:
        """Make or change one object. Omise knows no idempotency key: look before a second try."""
        return await self._send("POST", shape, path, body=body)

    async def delete(self, shape: type[W], path: str) -> W:
        """Make an object be no more. Raises `Refused` for one that is none."""
        return await self._send("DELETE", shape, path)

    async def every(self, shape: type[Page[W]], path: str, params: Mapping[str, str]) -> AsyncIterator[W]:
        """The objects of a list, newest first unless `params` say otherwise, page by page."""
        newest = {"order": "reverse_chronological", **params, "limit": str(_PAGE)}
        offset = 0
        while True:
            page = await self.get(shape, path, {**newest, "offset": str(offset)})
            for one in page.data:
                yield one
            offset += _PAGE
            if offset >= page.total or not page.data:
                return

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        """Check `Omise-Signature` over timestamp and raw bytes, then read them. Raises `BadSignature`."""
        self._check(body, headers.get("omise-signature", ""), headers.get("omise-signature-timestamp", ""))
        try:
            return _event(EventWire.model_validate_json(body))
        except ValidationError:
            raise BadSignature(N_("This is signed, but it is not an event.")) from None

    def _check(self, body: bytes, header: str, at: str) -> None:
        require_timed_match(body, at, [one.strip() for one in header.split(",")], self._secrets())

    def _secrets(self) -> list[bytes]:
        try:
            return [base64.b64decode(secret, validate=True) for secret in self._settings.webhook_secrets if secret]
        except binascii.Error:
            raise BadSignature(N_("A webhook secret of Omise is not base64: correct OMISE_WEBHOOK_SECRETS.")) from None

    async def _send(
        self,
        method: Literal["GET", "POST", "DELETE"],
        shape: type[W],
        path: str,
        *,
        body: object = None,
        params: Mapping[str, str] | None = None,
    ) -> W:
        answer = await self._outbound.send(
            "omise", method, self.base + path, json=body, params=params,
            headers={"Omise-Version": _VERSION}, auth=(self._settings.secret_key, ""),
        )  # fmt: skip
        raise_for(answer, "Omise", _error_of)
        return read(shape, answer, "Omise")


def safe(identifier: str) -> str:
    """An id as part of a path. Raises `Refused` for one that could not be Omise's."""
    return path_part(identifier, "Omise")


def _error_of(body: bytes) -> tuple[str | None, str | None]:
    error = ErrorWire.model_validate_json(body)
    return error.code, error.message


def _event(event: EventWire) -> ProviderEvent:
    """A charge is its own order; it says our receipt, too, for what is told of before our call is answered."""
    about, kind = event.data, event.data.object
    reference, receipt = (about.metadata or {}).get("reference"), (about.metadata or {}).get("receipt")
    whole = kind in ("charge", "transfer") and about.amount is not None and about.currency is not None
    added = added_fee(about.metadata or {}) or 0 if kind == "transfer" else 0
    return ProviderEvent(
        event_id=event.id,
        name=event.key,
        order_id=about.id if kind == "charge" else None,
        payment_id=about.id if kind == "charge" else about.charge,
        refund_id=about.id if kind == "refund" else None,
        dispute_id=about.id if kind == "dispute" else None,
        check_id=about.id if kind == "recipient" else None,
        receipt=receipt if kind == "charge" and isinstance(receipt, str) else None,
        payout_id=about.id if kind == "transfer" else None,
        payout_reference=reference if kind == "transfer" and isinstance(reference, str) else None,
        amount=Money((about.amount or 0) - added, (about.currency or "").upper()) if whole else None,
    )
