"""The adapter to RazorpayX's payouts."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from tillhouse.kernel.money import Money
from tillhouse.kernel.outbound import Answer, Outbound
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain import BankAccount, Destination, PayoutFacts, PayoutState, Vpa
from tillhouse.parts.payments.ports import AccountFacts, BadSignature, Payee, ProviderEvent
from tillhouse.parts.payments.providers.answers import path_part, read
from tillhouse.parts.payments.providers.razorpay_format import EventWire, check_signature, raise_for
from tillhouse.parts.payments.providers.razorpayx.settings import RazorpayXSettings
from tillhouse.parts.payments.providers.razorpayx.wire import (
    Made,
    Payouts,
    PayoutStatus,
    PayoutWire,
    Validations,
    ValidationWire,
)

W = TypeVar("W", bound=BaseModel)

_ONE_RUPEE = 100
_REAL = "https://api.razorpay.com/v1"

_STATES: dict[PayoutStatus, PayoutState] = {
    "pending": PayoutState.PROCESSING,
    "queued": PayoutState.PROCESSING,
    "scheduled": PayoutState.PROCESSING,
    "processing": PayoutState.PROCESSING,
    "processed": PayoutState.PROCESSED,
    "reversed": PayoutState.REVERSED,
    "cancelled": PayoutState.CANCELLED,
    "rejected": PayoutState.REJECTED,
    "failed": PayoutState.FAILED,
}


class RazorpayXGateway:
    """One composite call makes contact, fund account and payout: identical contacts and accounts are reused there."""

    name: ClassVar[str] = "razorpayx"
    currencies: ClassVar[frozenset[str]] = frozenset({"INR"})
    destinations: ClassVar[frozenset[str]] = frozenset({"vpa", "bank_account"})
    # Not published. After a day a payout that RazorpayX does not know goes to a person instead of being sent again.
    key_valid_hours: ClassVar[int] = 24

    def __init__(self, outbound: Outbound, settings: RazorpayXSettings, *, sandbox: str = "") -> None:
        base = settings.base_url or (f"{sandbox.rstrip('/')}/razorpay/v1" if sandbox else _REAL)
        self._base = base.rstrip("/")
        self._outbound = outbound
        self._settings = settings

    @property
    def address(self) -> str:
        """Where its API answers."""
        return self._base

    async def create_payout(self, *, key: UUID, amount: Money, to: Destination, payee: Payee) -> PayoutFacts:
        body = {
            "account_number": self._settings.account_number,
            "fund_account": _fund_account(to, payee),
            "amount": amount.minor,
            "currency": amount.unit,
            "mode": "IMPS" if isinstance(to, BankAccount) else "UPI",
            "purpose": "payout",
            "queue_if_low_balance": True,
            "reference_id": str(key),
            "narration": self._settings.narration,
        }
        headers = {"X-Payout-Idempotency": str(key)}
        return _facts(_read(PayoutWire, await self._send("POST", "/payouts", body, headers=headers)))

    async def find_payout(self, key: UUID, *, since: datetime | None = None) -> PayoutFacts | None:
        params = {"account_number": self._settings.account_number, "reference_id": str(key)}
        found = _read(Payouts, await self._send("GET", "/payouts", params=params))
        return next((_facts(payout) for payout in found.items if payout.reference_id == str(key)), None)

    async def fetch_payout(self, payout_id: str) -> PayoutFacts:
        return _facts(_read(PayoutWire, await self._send("GET", f"/payouts/{path_part(payout_id, 'RazorpayX')}")))

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        check_signature(body, headers.get("x-razorpay-signature", ""), self._settings.webhook_secrets)
        try:
            event = EventWire.model_validate_json(body)
        except ValidationError:
            raise BadSignature(N_("This is signed, but it is not an event.")) from None
        payout = event.entity("payout")
        amount, currency = payout.get("amount"), payout.get("currency")
        return ProviderEvent(
            event_id=headers.get("x-razorpay-event-id", ""),
            name=event.event,
            payout_id=_text(payout.get("id")),
            payout_reference=_text(payout.get("reference_id")),
            check_id=_text(event.entity("fund_account.validation").get("id")),
            amount=Money(amount, currency) if type(amount) is int and isinstance(currency, str) else None,
        )

    async def check_account(self, *, key: UUID, to: Destination, payee: Payee) -> AccountFacts:
        """A penny drop: one rupee to a bank account. Razorpay knows no key, so that ours is looked for first."""
        if made := await self._find_check(key):
            return _account(made)
        account = _fund_account(to, payee)
        contact = _read(Made, await self._send("POST", "/contacts", account["contact"]))
        wanted = {**account, "contact_id": contact.id}
        del wanted["contact"]
        fund = _read(Made, await self._send("POST", "/fund_accounts", wanted))
        body: dict[str, object] = {
            "account_number": self._settings.account_number,
            "fund_account": {"id": fund.id},
            "notes": {"reference": str(key)},
        }
        if isinstance(to, BankAccount):
            body |= {"amount": _ONE_RUPEE, "currency": "INR"}
        return _account(_read(ValidationWire, await self._send("POST", "/fund_accounts/validations", body)))

    async def _find_check(self, key: UUID) -> ValidationWire | None:
        """The check that carries our key, among the latest: it is looked for within minutes of having been asked."""
        params = {"account_number": self._settings.account_number, "count": "100"}
        found = _read(Validations, await self._send("GET", "/fund_accounts/validations", params=params))
        return next((one for one in found.items if one.reference == str(key)), None)

    async def fetch_check(self, check_id: str) -> AccountFacts:
        path = f"/fund_accounts/validations/{path_part(check_id, 'RazorpayX')}"
        return _account(_read(ValidationWire, await self._send("GET", path)))

    async def _send(
        self,
        method: Literal["GET", "POST"],
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        auth = (self._settings.key_id, self._settings.key_secret)
        answer = await self._outbound.send(
            self.name, method, self._base + path, json=body, params=params, headers=headers, auth=auth
        )
        raise_for(answer, "RazorpayX")
        return answer


def _fund_account(to: Destination, payee: Payee) -> dict[str, object]:
    name = to.name if isinstance(to, BankAccount) else payee.name
    contact = {"name": _contact_name(name), "type": "customer", "reference_id": payee.reference}
    if isinstance(to, BankAccount):
        account = {"name": to.name, "ifsc": to.ifsc, "account_number": to.account_number}
        return {"account_type": "bank_account", "bank_account": account, "contact": contact}
    assert isinstance(to, Vpa)  # `destinations` says what may be asked of us
    return {"account_type": "vpa", "vpa": {"address": to.address}, "contact": contact}


def _contact_name(name: str) -> str:
    """RazorpayX takes 3 to 50 letters, digits and a few signs."""
    tidy = re.sub(r"[^\w .'-]", "", name)[:50].strip()
    return tidy if len(tidy) >= 3 else "Account holder"


def _facts(payout: PayoutWire) -> PayoutFacts:
    details = payout.status_details
    return PayoutFacts(
        provider=RazorpayXGateway.name,
        payout_id=payout.id,
        reference=payout.reference_id or "",
        amount=Money(payout.amount, payout.currency),
        state=_STATES[payout.status],
        utr=payout.utr,
        fee=payout.fees,
        tax=payout.tax,
        reason=details.reason if details else None,
        message=payout.failure_reason or (details.description if details else None),
    )


def _account(check: ValidationWire) -> AccountFacts:
    results = check.results
    if check.status == "created":
        return AccountFacts(check.id, "pending")
    if check.status == "completed" and results and results.account_status == "active":
        return AccountFacts(check.id, "valid", registered_name=results.registered_name)
    return AccountFacts(check.id, "invalid", reason=(results and results.account_status) or check.status)


def _read(shape: type[W], answer: Answer) -> W:
    return read(shape, answer, "RazorpayX")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
