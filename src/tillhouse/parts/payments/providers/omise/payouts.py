"""The adapter to Omise's transfers: a recipient is made once per person and account, verified by Omise, then paid."""

import hashlib
from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain import Destination, PayoutFacts, PayoutState, ThaiBankAccount
from tillhouse.parts.payments.ports import AccountFacts, Payee, ProviderEvent
from tillhouse.parts.payments.providers.answers import refusal
from tillhouse.parts.payments.providers.omise.client import OmiseClient, safe
from tillhouse.parts.payments.providers.omise.wire import Page, RecipientWire, TransferWire


class OmiseTransfers:
    """Omise checks a new recipient for up to two working days: until then a payout waits, and nothing is lost."""

    name: ClassVar[str] = "omise"
    currencies: ClassVar[frozenset[str]] = frozenset({"THB"})
    destinations: ClassVar[frozenset[str]] = frozenset({"thai_bank_account"})
    # A transfer is looked for by our reference before it is made: no key of Omise's has to last.
    key_valid_hours: ClassVar[int] = 24 * 7

    def __init__(self, client: OmiseClient) -> None:
        self._client = client

    async def create_payout(self, *, key: UUID, amount: Money, to: Destination, payee: Payee) -> PayoutFacts:
        recipient = await self._recipient(to, payee)
        if recipient.failure_code:
            raise refusal("Omise", recipient.failure_code, f"the bank account was refused: {recipient.failure_code}")
        if not (recipient.verified and recipient.active):
            raise TransientError(N_("The bank account is being verified. The money stays set aside until then."))
        body = {
            "amount": amount.minor,
            "recipient": recipient.id,
            "fail_fast": True,
            "idemp_key": str(key),
            "metadata": {"reference": str(key)},
        }
        return _facts(await self._client.post(TransferWire, "/transfers", body))

    async def find_payout(self, key: UUID) -> PayoutFacts | None:
        async for transfer in self._client.every(Page[TransferWire], "/transfers", {}):
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
        """The recipient of this person and account, made when there is none."""
        assert isinstance(to, ThaiBankAccount)  # `destinations` says what may be asked of us
        digest = hashlib.sha256(f"{to.bank}:{to.account_number}".encode()).hexdigest()
        reference = f"{payee.reference}:{digest[:32]}"
        async for known in self._client.every(Page[RecipientWire], "/recipients", {}):
            if known.metadata.get("reference") == reference and not known.deleted:
                return known
        account = {"brand": to.bank, "number": to.account_number, "name": to.name}
        metadata = {"reference": reference}
        body = {"name": payee.name, "type": "individual", "bank_account": account, "metadata": metadata}
        return await self._client.post(RecipientWire, "/recipients", body)


def _facts(transfer: TransferWire) -> PayoutFacts:
    reference = transfer.metadata.get("reference")
    return PayoutFacts(
        provider=OmiseTransfers.name,
        payout_id=transfer.id,
        reference=reference if isinstance(reference, str) else "",
        amount=transfer.money,
        state=_state_of(transfer),
        fee=transfer.fee + (transfer.fee_vat or 0) if transfer.fee is not None else None,
        tax=transfer.fee_vat,
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
