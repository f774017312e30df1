"""Bank transfers as a bank tells them: money that names its order by a code in free text."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tillhouse.kernel.money import Money


@dataclass(frozen=True, slots=True)
class TransferFacts:
    """One line of our bank account. `amount` is above zero, `direction` says which way; `account` is ours.

    `code` is what the provider recognised in `content`, if it looks for codes; we look ourselves too.
    """

    provider: str
    transfer_id: str
    account: str
    amount: Money
    direction: Literal["in", "out"]
    content: str
    code: str | None
    at: datetime
    bank_reference: str = ""
