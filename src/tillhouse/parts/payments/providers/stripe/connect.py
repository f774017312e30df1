"""The adapter to Stripe Connect: payouts are transfers to a connected account, which pays out to its bank by itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from tillhouse.kernel.money import Money
from tillhouse.parts.payments.domain import Destination, PayoutFacts, PayoutState, StripeAccount
from tillhouse.parts.payments.ports import Payee, ProviderEvent
from tillhouse.parts.payments.providers.stripe.client import StripeClient, safe
from tillhouse.parts.payments.providers.stripe.wire import Page, TransferWire


class StripeConnect:
    """A transfer has no state of its own: made is done, and wholly reversed is given back. What came back of one that
    is reversed in part is said beside it: Stripe's `reversed` stays false, and `amount_reversed` tells.
    """

    name: ClassVar[str] = "stripe"
    currencies: ClassVar[frozenset[str]] = frozenset({"INR", "THB", "USD"})
    destinations: ClassVar[frozenset[str]] = frozenset({"stripe_account"})
    key_valid_hours: ClassVar[int] = 24  # Stripe forgets idempotency keys after that

    def __init__(self, client: StripeClient) -> None:
        self._client = client

    async def create_payout(self, *, key: UUID, amount: Money, to: Destination, payee: Payee) -> PayoutFacts:
        assert isinstance(to, StripeAccount)  # `destinations` says what may be asked of us
        form = {
            "amount": str(amount.minor),
            "currency": amount.unit.lower(),
            "destination": to.account_id,
            "transfer_group": str(key),
        }
        return _facts(await self._client.post(TransferWire, "/transfers", form, key=str(key)))

    async def find_payout(self, key: UUID, *, since: datetime | None = None) -> PayoutFacts | None:
        found = await self._client.get(Page[TransferWire], "/transfers", {"transfer_group": str(key)})
        return next((_facts(one) for one in found.data if one.transfer_group == str(key)), None)

    async def fetch_payout(self, payout_id: str) -> PayoutFacts:
        return _facts(await self._client.get(TransferWire, f"/transfers/{safe(payout_id)}"))

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        return self._client.read_event(body, headers)


def _facts(transfer: TransferWire) -> PayoutFacts:
    reversed_whole = transfer.amount_reversed >= transfer.amount
    return PayoutFacts(
        provider=StripeConnect.name,
        payout_id=transfer.id,
        reference=transfer.transfer_group or "",
        amount=transfer.money,
        state=PayoutState.REVERSED if reversed_whole else PayoutState.PROCESSED,
        came_back=Money(transfer.amount_reversed, transfer.money.unit),
    )
