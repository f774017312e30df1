"""The adapter to Omise's transfers: a recipient is made once per person and account, verified by Omise, then paid."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain import Destination, PayoutFacts, PayoutState, ThaiBankAccount
from tillhouse.parts.payments.domain.amounts import Amounts
from tillhouse.parts.payments.domain.payouts import NEVER_HAPPENED
from tillhouse.parts.payments.ports import AccountFacts, Payee, ProviderEvent, Refused
from tillhouse.parts.payments.providers.answers import refusal
from tillhouse.parts.payments.providers.omise.client import OmiseClient, safe
from tillhouse.parts.payments.providers.omise.wire import Page, RecipientWire, TransferWire, added_fee

# What was made at one moment by our clock may have been made a little before it by Omise's.
_CLOCKS_DIFFER = timedelta(hours=1)


class OmiseTransfers:
    """Omise checks a new recipient for up to two working days: until then a payout waits, and nothing is lost."""

    name: ClassVar[str] = "omise"
    currencies: ClassVar[frozenset[str]] = frozenset({"THB"})
    destinations: ClassVar[frozenset[str]] = frozenset({"thai_bank_account"})
    # A transfer is looked for by our reference before it is made: no key of Omise's has to last.
    key_valid_hours: ClassVar[int] = 24 * 7

    def __init__(self, client: OmiseClient, fees: Amounts) -> None:
        self._client = client
        self._fees = fees

    async def create_payout(self, *, key: UUID, amount: Money, to: Destination, payee: Payee) -> PayoutFacts:
        recipient = await self._recipient(to, payee)
        if recipient.failure_code:
            raise refusal("Omise", recipient.failure_code, f"the bank account was refused: {recipient.failure_code}")
        if not (recipient.verified and recipient.active):
            raise TransientError(N_("The bank account is being verified. The money stays set aside until then."))
        fee = self._fees.within(amount.unit, 0)
        body = {
            "amount": amount.minor + fee,  # Omise takes its fee out of it
            "recipient": recipient.id,
            "fail_fast": True,
            "idemp_key": str(key),
            "metadata": {"reference": str(key), "fee": str(fee)},
        }
        return _facts(await self._client.post(TransferWire, "/transfers", body))

    async def find_payout(self, key: UUID, *, since: datetime | None = None) -> PayoutFacts | None:
        async for transfer in self._client.every(Page[TransferWire], "/transfers", _made(since)):
            if transfer.metadata.get("reference") == str(key):
                return _facts(transfer)
        return None

    async def fetch_payout(self, payout_id: str) -> PayoutFacts:
        return _facts(await self._client.get(TransferWire, f"/transfers/{safe(payout_id)}"))

    async def check_account(self, *, key: UUID, to: Destination, payee: Payee) -> AccountFacts:
        """Making the recipient is asking: Omise verifies it."""
        return _account_facts(await self._recipient(to, payee))

    async def fetch_check(self, check_id: str) -> AccountFacts:
        return _account_facts(await self._client.get(RecipientWire, f"/recipients/{safe(check_id)}"))

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        return self._client.read_event(body, headers)

    async def _recipient(self, to: Destination, payee: Payee) -> RecipientWire:
        """The recipient of this person and account, made when there is none.

        Omise finds none by what we call it. So it is read by its own name where that is known; else those that were
        made since we knew of the account are listed, from the first one on: it is one of the first.
        """
        assert isinstance(to, ThaiBankAccount)  # `destinations` says what may be asked of us
        digest = hashlib.sha256(f"{to.bank}:{to.account_number}".encode()).hexdigest()
        reference = f"{payee.reference}:{digest[:32]}"
        async for known in self._candidates(payee):
            if known.metadata.get("reference") == reference and not known.deleted:
                return known
        account = {"brand": to.bank, "number": to.account_number, "name": to.name}
        metadata = {"reference": reference}
        body = {"name": payee.name, "type": "individual", "bank_account": account, "metadata": metadata}
        return await self._client.post(RecipientWire, "/recipients", body)

    async def _candidates(self, payee: Payee) -> AsyncIterator[RecipientWire]:
        """Recipients among which theirs is, if it was ever made; the likeliest first."""
        if payee.account_id and (known := await self._named(payee.account_id)):
            yield known
        if payee.paid_before and (known := await self._paid_with(payee.paid_before)):
            yield known
        async for one in self._client.every(Page[RecipientWire], "/recipients", _made(payee.since)):
            yield one

    async def _named(self, recipient_id: str) -> RecipientWire | None:
        """The recipient; None where it was removed there."""
        try:
            return await self._client.get(RecipientWire, f"/recipients/{safe(recipient_id)}")
        except Refused:
            return None

    async def _paid_with(self, transfer_id: str) -> RecipientWire | None:
        """The recipient of a transfer."""
        try:
            transfer = await self._client.get(TransferWire, f"/transfers/{safe(transfer_id)}")
        except Refused:
            return None
        return await self._named(transfer.recipient) if transfer.recipient else None


def _made(since: datetime | None) -> dict[str, str]:
    """What a list is asked for: what was made since then, from the first one on; all of it where nobody knows."""
    if since is None:
        return {}
    start = (since - _CLOCKS_DIFFER).astimezone(UTC)
    return {"from": start.isoformat(timespec="seconds").replace("+00:00", "Z"), "order": "chronological"}


def _facts(transfer: TransferWire) -> PayoutFacts:
    """What is promised is the amount less the fee that we added, which the house bears; whether it arrives, Omise's own
    fee decides.
    """
    reference, fee = transfer.metadata.get("reference"), added_fee(transfer.metadata)
    state = _state_of(transfer)
    costs = fee is not None and state not in NEVER_HAPPENED
    return PayoutFacts(
        provider=OmiseTransfers.name,
        payout_id=transfer.id,
        reference=reference if isinstance(reference, str) else "",
        amount=transfer.promised,
        state=state,
        fee=fee if costs else None,
        tax=transfer.tax if costs else None,
        arrives=transfer.arrives if transfer.sent or transfer.paid else None,  # until then it may still change
        reason=transfer.failure_code,
        message=transfer.failure_message,
    )


def _state_of(transfer: TransferWire) -> PayoutState:
    if transfer.failure_code:
        return PayoutState.REVERSED if transfer.paid else PayoutState.FAILED
    if transfer.deleted:
        return PayoutState.CANCELLED
    return PayoutState.PROCESSED if transfer.paid else PayoutState.PROCESSING


def _account_facts(recipient: RecipientWire) -> AccountFacts:
    if recipient.failure_code:
        return AccountFacts(recipient.id, "invalid", reason=recipient.failure_code)
    if recipient.verified and recipient.active:
        name = recipient.bank_account.name if recipient.bank_account else None
        return AccountFacts(recipient.id, "valid", registered_name=name)
    return AccountFacts(recipient.id, "pending")
