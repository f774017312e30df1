"""The words and rules of double entry, without a database.

Debits are positive, credits negative, and every transaction sums to zero in each unit. People and products think in the
*natural* sign of an account instead: what an asset or expense account holds is its debits, what a liability, equity or
income account holds is its credits. A wallet of 100 is a liability of the house with a balance of −100; its natural
balance is 100.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, get_args
from uuid import UUID

from tillhouse.kernel.db import JsonObject, JsonValue
from tillhouse.kernel.errors import Conflict, DomainError, FieldError, InvalidInput
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.kernel.text import N_

AccountType = Literal["asset", "liability", "equity", "income", "expense"]
HoldState = Literal["open", "captured", "voided", "expired"]

MAX_LEGS = 100
MAX_POSTINGS = 10_000
MAX_KEY = 200
MAX_METADATA = 4_000
_REMEMBERED = 10_000
REVERSAL = "ledger.reversal"
ENTRY = "ledger.entry"
BOOK = "ledger"  # the owner kind of accounts that integrators keep here, beside the books of the house

# A transaction's number is its recorded time in microseconds since this instant, then 12 bits that make it unique.
_NUMBERS_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
_LOW_BITS = 12
_LAST_NUMBER = 2**63 - 1

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_quoted = json.encoder.encode_basestring  # how that writes a string

_NUL_OR_SURROGATE = re.compile(r"\\u0000|[\ud800-\udfff]")


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
        return any(_matches(pattern, account.path) for pattern in self.legs)


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


class Chart:
    """The chart of accounts and the kinds of transactions of one house: what may be posted, and where."""

    def __init__(self, accounts: Iterable[AccountKind], transactions: Iterable[TransactionKind]) -> None:
        self.accounts = tuple(accounts)
        self._exact = {kind.pattern: kind for kind in self.accounts if not kind.code.endswith("*")}
        self._starred = [kind for kind in self.accounts if kind.code.endswith("*")]
        self._transactions: dict[str, TransactionKind] = {}
        for kind in transactions:
            if self._transactions.setdefault(kind.name, kind) != kind:
                raise ValueError(f"two transaction kinds are called {kind.name}")
        # Asked several times for each leg, with few different answers.
        self._covering = lru_cache(_REMEMBERED)(self._find_covering)
        self._allows = lru_cache(_REMEMBERED)(self._find_allows)

    @property
    def transaction_kinds(self) -> Sequence[TransactionKind]:
        """Every kind that may be posted."""
        return tuple(self._transactions.values())

    def account_kind(self, account: AccountRef) -> AccountKind:
        """The line of the chart that covers `account`. Raises `UnknownAccount`."""
        found = self._covering(account.owner_kind, account.code)
        if found is None or (account.owner_kind == "house") != (account.owner_id is None):
            raise UnknownAccount(N_("There is no account of the kind {account} in this house."), account=account.path)
        return found

    def kind_at(self, path: str) -> AccountKind | None:
        """The line of the chart that covers a path, if one does; an exact one wins over a starred one."""
        found = self._exact.get(path)
        return found or next((kind for kind in self._starred if _matches(kind.pattern, path)), None)

    def transaction_kind(self, name: str) -> TransactionKind:
        """The kind of that name. Raises `UnknownKind`."""
        try:
            return self._transactions[name]
        except KeyError:
            raise UnknownKind(N_("There is no transaction kind {kind} in this house."), kind=name) from None

    def check(self, posting: Posting, *, lots_of: AccountRef | None = None) -> None:
        """Pass if `posting` may be written. The lots of the account `lots_of` are moved with it.

        Raises `BadPosting`, `UnknownKind`, `AccountNotAllowed`, `UnknownAccount`, `CarriesLots`.
        """
        check_posting(posting)
        kind = self.transaction_kind(posting.kind)
        for account, _ in posting.legs:
            if self.account_kind(account).lots and account != lots_of:
                raise CarriesLots(account)
            if not self._allows(kind.name, account.owner_kind, account.code):
                raise AccountNotAllowed(
                    N_("A transaction of kind {kind} may not touch {account}."), kind=kind.name, account=account.path
                )

    def _find_covering(self, owner_kind: str, code: str) -> AccountKind | None:
        return self.kind_at(f"{owner_kind}/{code}")

    def _find_allows(self, name: str, owner_kind: str, code: str) -> bool:
        return self._transactions[name].allows(AccountRef(owner_kind, None, code, ""))


def check_posting(posting: Posting) -> None:
    """Raise `BadPosting`, naming every fault, unless the legs make a transaction."""
    if _is_simple(posting):
        return
    faults = [FieldError(pointer, code, message) for pointer, code, message in _faults(posting)]
    if faults:
        raise BadPosting(faults[0].message, errors=faults)


def _is_simple(posting: Posting) -> bool:
    """Whether this is the most common posting, without a fault: two legs that agree, and nothing else to look at.

    Says at once what `_faults` would find out by asking everything.
    """
    if len(posting.legs) != 2 or posting.metadata or posting.effective_at is not None:
        return False
    (first, debited), (second, credited) = posting.legs
    return (
        first.unit == debited.unit == credited.unit == second.unit
        and debited.minor == -credited.minor
        and 0 < abs(debited.minor) <= MAX_MINOR
        and first != second
        and 0 < len(posting.key) <= MAX_KEY
        and posting.key.isprintable()
    )


def _faults(posting: Posting) -> Iterator[tuple[str, str, str]]:
    yield from key_faults(posting.key)
    if not 2 <= len(posting.legs) <= MAX_LEGS:
        yield "/legs", "leg_count", N_("A transaction has from 2 to 100 legs.")
    accounts = [account for account, _ in posting.legs]
    twice = len(set(accounts)) < len(accounts)
    for n, (account, amount) in enumerate(posting.legs):
        if account.unit != amount.unit:
            yield f"/legs/{n}", "wrong_unit", N_("The amount is in another unit than the account.")
        if not 0 < abs(amount.minor) <= MAX_MINOR:
            yield f"/legs/{n}", "bad_amount", N_("An amount is not zero and not more than can be counted.")
        if twice and accounts.count(account) > 1:
            yield f"/legs/{n}", "account_twice", N_("A transaction names each account once: add the amounts up.")
    sums: dict[str, int] = {}
    for _, amount in posting.legs:
        sums[amount.unit] = sums.get(amount.unit, 0) + amount.minor
    if any(sums.values()):
        yield "/legs", "unbalanced", N_("The legs do not sum to zero.")
    if posting.effective_at is not None and posting.effective_at.tzinfo is None:
        yield "/effective_at", "naive", N_("The effective time carries no zone.")
    yield from metadata_faults(posting.metadata)


def key_faults(key: str) -> Iterator[tuple[str, str, str]]:
    """What is wrong with an idempotency key."""
    if not 0 < len(key) <= MAX_KEY or not key.isprintable():
        yield "/key", "bad_key", N_("A key has from 1 to 200 characters, all of them printable.")


def metadata_faults(metadata: Mapping[str, JsonValue]) -> Iterator[tuple[str, str, str]]:
    """What keeps metadata from being stored: PostgreSQL knows no NUL, UTF-8 no lone surrogate."""
    text = json.dumps(dict(metadata), ensure_ascii=False) if metadata else ""
    if len(text) > MAX_METADATA:
        yield "/metadata", "too_large", N_("Metadata has at most 4,000 characters.")
    if _NUL_OR_SURROGATE.search(text.replace("\\\\", "")):
        yield "/metadata", "bad_text", N_("Metadata holds a character that cannot be stored.")


def recorded_at_of(number: int) -> datetime:
    """The recorded time that a transaction's or hold's number begins with."""
    return _NUMBERS_BEGIN + timedelta(microseconds=number >> _LOW_BITS)


def last_number_at(instant: datetime | None) -> int:
    """The greatest number that a transaction recorded at or before `instant` can have; None means any."""
    return _LAST_NUMBER if instant is None else max(0, min(_LAST_NUMBER, (_microsecond(instant) + 1 << _LOW_BITS) - 1))


def first_number_at(instant: datetime) -> int:
    """The least number that a transaction recorded at `instant` can have."""
    return max(0, min(_LAST_NUMBER, _microsecond(instant) << _LOW_BITS))


def _microsecond(instant: datetime) -> int:
    return (instant - _NUMBERS_BEGIN) // timedelta(microseconds=1)


def posting_hash(
    posting: Posting,
    *,
    reverses: int | None = None,
    captures: int | None = None,
    names: Sequence[str] | None = None,
) -> bytes:
    """SHA-256 of what is asked, whatever the order of legs and metadata: a key used again must come with the same.

    `names` are the legs' accounts as text, where the caller has them ready. The text that is hashed is the one that
    `_digest` would make, put together by hand: a bulk makes thousands of them.
    """
    if names is None:
        names = [str(account) for account, _ in posting.legs]
    legs = sorted(zip(names, [amount.minor for _, amount in posting.legs], strict=True))
    said = ",".join([f"[{_quoted(name)},{minor}]" for name, minor in legs])
    instant = "null" if posting.effective_at is None else f'"{_instant(posting.effective_at)}"'
    metadata = _canonical(dict(posting.metadata)) if posting.metadata else "{}"
    others = f"{'null' if reverses is None else reverses},{'null' if captures is None else captures}"
    text = f'["post",{_quoted(posting.kind)},[{said}],{instant},{metadata},{others}]'
    return hashlib.sha256(text.encode()).digest()


def hold_hash(
    account: AccountRef, amount: Money, expires_at: datetime | None, metadata: Mapping[str, JsonValue]
) -> bytes:
    """SHA-256 of a hold that is asked for."""
    return _digest(["hold", str(account), amount.minor, _instant(expires_at), dict(metadata)])


def _digest(canonical: list[object]) -> bytes:
    return hashlib.sha256(_canonical(canonical).encode()).digest()


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat(timespec="microseconds")


def _matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


REVERSAL_KIND = TransactionKind(name=REVERSAL, title=N_("Reversal"), legs=("*",))
ENTRY_KIND = TransactionKind(name=ENTRY, title=N_("Ledger entry"), legs=(f"{BOOK}/*",), open_to_machines=True)

_LINE = re.compile(r"(?P<code>[a-z][a-z0-9:._-]*\*?)=(?P<type>[a-z]+)(/(?P<floor>-?[0-9]+))?")


def book_accounts(lines: Iterable[str]) -> Iterator[AccountKind]:
    """The lines of the chart that the setting LEDGER_CHART makes: `customer:*=liability/0`.

    Raises `ValueError` for one that cannot be read.
    """
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None or found["type"] not in get_args(AccountType):
            raise ValueError(f"{line} is not code=type or code=type/floor; types: {', '.join(get_args(AccountType))}")
        floor = None if found["floor"] is None else int(found["floor"])
        account_type: AccountType = found["type"]  # type: ignore[assignment]  # it is one of its words
        yield AccountKind(owner_kind=BOOK, code=found["code"], type=account_type, floor=floor, title=found["code"])
