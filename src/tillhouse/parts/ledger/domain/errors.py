"""What the ledger refuses, and why."""

from collections.abc import Mapping

from tillhouse.kernel.errors import Conflict, DomainError, FieldError, InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain.books import AccountRef


class InsufficientFunds(Conflict):
    """A posting or hold would leave less available than the account's floor."""

    code = "insufficient_funds"

    def __init__(self, account: AccountRef, available: Money, needed: Money) -> None:
        super().__init__(
            N_("There is not enough money: {needed} {unit} is needed, {available} {unit} is available."),
            needed=needed,
            available=available,
            unit=available.unit,
        )
        self.account = account
        self.available = available
        self.needed = needed


class AccountClosed(Conflict):
    """The account takes no more postings or holds."""

    code = "account_closed"


class IdempotencyKeyReused(Conflict):
    """The key was used before, for something else."""

    code = "idempotency_key_reused"


class AlreadyReversed(Conflict):
    """The transaction was reversed before; `reversed_by` is in the fields."""

    code = "already_reversed"


class NotReversible(Conflict):
    """A reversal is not reversed: post what is right instead."""

    code = "not_reversible"


class HoldEnded(Conflict):
    """The hold was captured, voided or has expired."""

    code = "hold_ended"


class CaptureNotCovered(Conflict):
    """A capture takes nothing from the held account, or more than was held."""

    code = "capture_not_covered"


class BalanceTooLarge(Conflict):
    """A balance would pass what the ledger can count (2^63 − 1 minor units)."""

    code = "balance_too_large"


class PeriodClosed(Conflict):
    """The posting would take effect in a period that has been closed."""

    code = "period_closed"


class BulkRefused(Conflict):
    """Nothing of an atomic bulk was written: `refusals` says, by their places, what stood in the way."""

    code = "bulk_refused"

    def __init__(self, refusals: Mapping[int, DomainError]) -> None:
        super().__init__(
            N_("None of these transactions was written, because {count} of them cannot be."),
            errors=[FieldError(f"/{place}", refusal.code, refusal.message) for place, refusal in refusals.items()],
            count=len(refusals),
        )
        self.refusals = refusals


class AccountInUse(Conflict):
    """The account still holds money or has an open hold, so it cannot be closed."""

    code = "account_in_use"


class UnknownKind(InvalidInput):
    """No module of this house provides a transaction kind of that name."""

    code = "unknown_transaction_kind"


class UnknownAccount(InvalidInput):
    """No line of the chart of accounts covers this account."""

    code = "unknown_account"


class AccountNotAllowed(InvalidInput):
    """The transaction kind may not touch this account."""

    code = "account_not_allowed"


class CarriesLots(InvalidInput):
    """The account holds lots: it takes no posting or hold that does not say which."""

    code = "account_carries_lots"

    def __init__(self, account: AccountRef) -> None:
        super().__init__(
            N_("What {account} holds are lots with a source and an expiry: grant, spend, refund or reserve them."),
            account=account.path,
        )


class BadPosting(InvalidInput):
    """The legs do not make a transaction: `errors` say why."""

    code = "bad_posting"
