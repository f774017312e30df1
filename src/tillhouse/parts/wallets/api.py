"""The wallets' door for other modules. Money is moved by the ledger: `account_ref` names the account for it."""

from tillhouse.parts.wallets.domain import (
    ACCOUNT_CODE,
    MOVEMENT_COLUMNS,
    Direction,
    Movement,
    MovementFilter,
    OwnerKind,
    Wallet,
    account_ref,
    wallet_id,
)
from tillhouse.parts.wallets.flows import statement_pdf, statement_pdf_of
from tillhouse.parts.wallets.ports import Leaving, PayoutAccount, PayoutAccounts, PayoutRule, PendingSource
from tillhouse.parts.wallets.service import (
    movement_rows,
    movements,
    wallet_by_id,
    wallet_of,
    wallets_of,
    wallets_of_organisation,
)

__all__ = [
    "ACCOUNT_CODE",
    "MOVEMENT_COLUMNS",
    "Direction",
    "Leaving",
    "Movement",
    "MovementFilter",
    "OwnerKind",
    "PayoutAccount",
    "PayoutAccounts",
    "PayoutRule",
    "PendingSource",
    "Wallet",
    "account_ref",
    "movement_rows",
    "movements",
    "statement_pdf",
    "statement_pdf_of",
    "wallet_by_id",
    "wallet_id",
    "wallet_of",
    "wallets_of",
    "wallets_of_organisation",
]
