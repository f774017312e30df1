"""The wallets' door for other modules. Money is moved by the ledger: `account_ref` names the account for it."""

from tillhouse.parts.wallets.domain import ACCOUNT_CODE, Direction, Movement, Wallet, account_ref, wallet_id
from tillhouse.parts.wallets.ports import PayoutAccount, PayoutAccounts, PendingSource
from tillhouse.parts.wallets.service import movements, wallet_by_id, wallet_of, wallets_of

__all__ = [
    "ACCOUNT_CODE",
    "Direction",
    "Movement",
    "PayoutAccount",
    "PayoutAccounts",
    "PendingSource",
    "Wallet",
    "account_ref",
    "movements",
    "wallet_by_id",
    "wallet_id",
    "wallet_of",
    "wallets_of",
]
