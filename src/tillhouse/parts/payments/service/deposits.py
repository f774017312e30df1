"""Adding money to one's own wallet: the purpose that payments itself provides."""

from tillhouse.kernel.db import Session
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.ports import Purpose, SettledPayment

WALLET_DEPOSIT = "wallet_deposit"


async def _nothing_more(session: Session, payment: SettledPayment) -> None:
    """The money is in the wallet already: that is all a deposit is."""


PURPOSE = Purpose(WALLET_DEPOSIT, N_("Add money"), _nothing_more, self_service=True)
