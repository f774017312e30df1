"""Adding money to one's own wallet: the purpose that payments itself provides."""

from collections.abc import Sequence
from uuid import UUID

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.payments import store
from tillhouse.parts.payments.ports import Purpose, SettledPayment

WALLET_DEPOSIT = "wallet_deposit"


async def _nothing_more(session: Session, payment: SettledPayment) -> None:
    """The money is in the wallet already: that is all a deposit is."""


PURPOSE = Purpose(WALLET_DEPOSIT, N_("Add money"), _nothing_more, self_service=True)


async def pending_of(session: ReadSession, person_id: UUID) -> Sequence[Money]:
    """Money on its way into a person's wallets: authorised, not yet captured."""
    totals = await store.authorized_totals(session, "person", person_id)
    return [Money(minor, currency) for currency, minor in totals]
