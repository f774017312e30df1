"""The words and rules of double entry, without a database.

Debits are positive, credits negative, and every transaction sums to zero in each unit. People and products think in the
*natural* sign of an account instead: what an asset or expense account holds is its debits, what a liability, equity or
income account holds is its credits. A wallet of 100 is a liability of the house with a balance of −100; its natural
balance is 100.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal
from uuid import UUID

from tillhouse.kernel.db import JsonObject, JsonValue
from tillhouse.kernel.errors import Conflict, FieldError, InvalidInput
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.kernel.text import N_

AccountType = Literal["asset", "liability", "equity", "income", "expense"]
HoldState = Literal["open", "captured", "voided", "expired"]

MAX_LEGS = 100
MAX_POSTINGS = 10_000
MAX_KEY = 200
REVERSAL = "ledger.reversal"


@dataclass(frozen=True, slots=True)
class AccountRef:
    """Names an account: the ledger finds it, or opens it on the first posting.

    `owner_kind` is `house` (then `owner_id` is None), `person`, or whatever else a module gives accounts to.
    """

    owner_kind: str
    owner_id: UUID | None
    code: str
    unit: str

    @property
    def path(self) -> str:
        """What patterns are matched against: `house/clearing:razorpay`, `person/wallet`."""
        return f"{self.owner_kind}/{self.code}"

    def __str__(self) -> str:
        owner = self.owner_kind if self.owner_id is None else f"{self.owner_kind}:{self.owner_id}"
        return f"{owner}/{self.code}/{self.unit}"


Leg = tuple[AccountRef, Money]


def house_account(code: str, unit: str) -> AccountRef:
    """An account of the house itself, such as `clearing:razorpay`."""
    return AccountRef("house", None, code, unit)


def debit(account: AccountRef, amount: Money) -> Leg:
    """A leg that debits `account`. `amount` is positive."""
    return account, amount


def credit(account: AccountRef, amount: Money) -> Leg:
    """A leg that credits `account`. `amount` is positive."""
    return account, -amount


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountKind:
    """A line of the chart of accounts, provided by the module that uses it.

    `code` may end in `*` (`clearing:*`). `floor` is the least that a posting or hold may leave available, in minor
    units of the natural sign; None lets the account go below zero. It is written into the account when that is opened.
    """

    owner_kind: str
    code: str
    type: AccountType
    title: str
    floor: int | None = None

    @property
    def pattern(self) -> str:
        return f"{self.owner_kind}/{self.code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionKind:
    """A reason for moving money, provided by the module that posts it.

    `legs` are the patterns of the accounts it may touch: `("house/clearing:*", "person/wallet")`. `title` is what the
    owner of an account reads beside the movement.
    """

    name: str
    title: str
    legs: tuple[str, ...]

    def allows(self, account: AccountRef) -> bool:
        return any(fnmatchcase(account.path, pattern) for pattern in self.legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """A transaction to be written.

    `key` makes it happen once: the scope is the whole ledger, so it begins with the name of the module
    (`payments.deposit:0190…`). `legs` name each account once. `effective_at` is the business time and may lie in the
    past; None means the moment it is recorded.
    """

    key: str
    kind: str
    legs: Sequence[Leg]
    effective_at: datetime | None = None
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A written transaction. `replayed` says that the key had been used before and nothing was written now."""

    id: int
    kind: str
    legs: tuple[Leg, ...]
    effective_at: datetime
    recorded_at: datetime
    metadata: JsonObject
    reverses: int | None = None
    reversed_by: int | None = None
    captures: int | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account holds, in its natural sign: `available` = `posted` − `held`."""

    account: AccountRef
    posted: Money
    held: Money

    @property
    def available(self) -> Money:
        return self.posted - self.held


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Money set aside in an account until it is captured (in whole or in part), voided or expired: exactly one."""

    id: int
    account: AccountRef
    amount: Money
    state: HoldState
    expires_at: datetime | None
    metadata: JsonObject
    captured: Money
    transaction_id: int | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One entry as its account's owner sees it: `amount` and the running `balance` are in the natural sign."""

    transaction_id: int
    sequence: int
    kind: str
    amount: Money
    balance: Money
    effective_at: datetime
    recorded_at: datetime
    metadata: JsonObject
    reverses: int | None


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


class BadPosting(InvalidInput):
    """The legs do not make a transaction: `errors` say why."""

    code = "bad_posting"
