"""What books are made of: accounts, kinds, postings, and what is read of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from tillhouse.kernel.db import JsonObject, JsonValue
from tillhouse.kernel.money import Money

AccountType = Literal["asset", "liability", "equity", "income", "expense"]
HoldState = Literal["open", "captured", "voided", "expired"]
BOOK = "ledger"  # the owner kind of accounts that integrators keep here, beside the books of the house


@dataclass(frozen=True, slots=True, eq=False)
class AccountRef:
    """Names an account: the ledger finds it, or opens it on the first posting.

    `owner_kind` is `house` (then `owner_id` is None), `person`, or whatever else a module gives accounts to.
    Equality and hash are written out because a bulk asks for them thousands of times: the made ones take four times
    as long, most of it in those of the UUID.
    """

    owner_kind: str
    owner_id: UUID | None
    code: str
    unit: str

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AccountRef):
            return NotImplemented
        mine, theirs = self.owner_id, other.owner_id
        same_owner = mine is theirs or (mine is not None and theirs is not None and mine.int == theirs.int)
        return (
            same_owner and self.code == other.code and self.unit == other.unit and self.owner_kind == other.owner_kind
        )

    def __hash__(self) -> int:
        owner = self.owner_id
        return hash((None if owner is None else owner.int, self.code, self.unit, self.owner_kind))

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


def natural_sign(account_type: AccountType) -> int:
    """1 where debits are what the account holds, −1 where credits are."""
    return 1 if account_type in ("asset", "expense") else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountKind:
    """A line of the chart of accounts, provided by the module that uses it.

    `code` may end in `*` (`clearing:*`). `floor` is the least that a posting or hold may leave available, in minor
    units of the natural sign; None lets the account go below zero. It is written into the account when that is opened.
    `number` is its place in reports ("1100"). What an account with `lots` holds is lots of points or credits: a
    liability that never goes below zero, moved by `grant`, `spend`, `refund` and `reserve` alone.
    """

    owner_kind: str
    code: str
    type: AccountType
    title: str
    floor: int | None = None
    number: str | None = None
    lots: bool = False

    def __post_init__(self) -> None:
        if self.lots and (self.type != "liability" or self.floor != 0):
            raise ValueError(f"{self.pattern}: an account with lots is a liability with a floor of 0")

    @property
    def pattern(self) -> str:
        return f"{self.owner_kind}/{self.code}"

    @property
    def sign(self) -> int:
        return natural_sign(self.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionKind:
    """A reason for moving money, provided by the module that posts it.

    `legs` are the accounts it may touch, each a path or the beginning of one and a star:
    `("house/clearing:*", "person/wallet")`. `title` is what the owner of an account reads beside the movement.
    `open_to_machines` lets whoever has an API key for it post and reverse this kind over HTTP, without any module's
    rules in between: not for kinds that move the money of people or of the house.
    """

    name: str
    title: str
    legs: tuple[str, ...]
    open_to_machines: bool = False

    def allows(self, account: AccountRef) -> bool:
        return any(covers(pattern, account.path) for pattern in self.legs)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceAt:
    """What an account held, in its natural sign, by effective time as it was known at recorded time.

    None stands for no bound. `stable` says that no posting can change this answer any more, ever.
    """

    account: AccountRef
    posted: Money
    effective: datetime | None
    recorded: datetime | None
    stable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementAt:
    """Entries in the order in which they took effect, as known at a recorded time: what the books said then.

    `opening` is what the account held before the first line, and each line's `balance` what it held after it.
    """

    opening: Money
    lines: tuple[StatementLine, ...]
    recorded: datetime | None
    stable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedPeriod:
    """A decision that nothing takes effect before `until` any more."""

    until: datetime
    closed_at: datetime
    closed_by: UUID | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last block of the sealed chain: what is kept outside. `number` is also how many blocks there are."""

    number: int
    hash: str
    last_id: int
    sealed_at: datetime


def covers(pattern: str, path: str) -> bool:
    """Whether a path is the pattern, or begins as the pattern does before its star."""
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
