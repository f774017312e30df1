"""What the ledger promises, in dictionaries: an oracle that keeps books of its own and is asked what must happen.

It knows neither numbers nor instants of the ledger: its transactions and holds go by their keys, and its recorded time
is the order in which it was told. Amounts are minor units, debits positive.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from tillhouse.parts.ledger import api as ledger

Account = ledger.AccountRef
Legs = tuple[tuple[Account, int], ...]
Answers = tuple[frozenset[str], ...]  # what may be answered, for each posting of an operation
WRITTEN, DONE = frozenset({"written"}), frozenset({"done"})
THERE = WRITTEN | {"replayed"}
RATE = Fraction(665, 8)  # 1 USD is 83.125 INR


@dataclass(frozen=True)
class Post:
    """Legs to be written; `day` is when they take effect. `grouped`: by the door of the API, which keeps refusals."""

    key: str
    legs: Legs
    day: int | None = None
    grouped: bool = False


@dataclass(frozen=True)
class Exchange:
    """Dollars of one account into rupees of another, at `RATE`, half to the even; both are accounts of persons."""

    key: str
    source: Account
    target: Account
    cents: int

    @property
    def legs(self) -> Legs:
        """Each unit through the house's own account; nothing is left over by this rounding."""
        paise = round(self.cents * RATE)
        dollars, rupees = (ledger.house_account("exchange", unit) for unit in ("USD", "INR"))
        legs = [(self.source, self.cents), (dollars, -self.cents), (self.target, -paise), (rupees, paise)]
        return tuple(leg for leg in legs if leg[1])


@dataclass(frozen=True)
class Reverse:
    key: str
    of: str


@dataclass(frozen=True)
class SetAside:
    """A hold; it is over at the hour `due`."""

    key: str
    account: Account
    amount: int
    due: int | None


@dataclass(frozen=True)
class Capture:
    key: str
    hold: str
    legs: Legs


@dataclass(frozen=True)
class Void:
    hold: str


@dataclass(frozen=True)
class Expire:
    """The job that ends what is over, at an hour."""

    hour: int


@dataclass(frozen=True)
class CloseAccount:
    account: Account


@dataclass(frozen=True)
class ClosePeriod:
    """Nothing takes effect before `day` any more."""

    day: int


@dataclass(frozen=True)
class Bulk:
    posts: tuple[Post, ...]
    atomic: bool


@dataclass(frozen=True)
class Opening:
    """A file of opening balances, natural and above zero, of `day`: booked as a whole or not at all."""

    file: str
    lines: Legs
    day: int

    @property
    def posts(self) -> tuple[Post, ...]:
        """Persons are owed money: credited, against the house's opening balances. The first line is a heading."""
        return tuple(
            Post(
                f"ledger.opening:{self.file}:{n}",
                ((account, -amount), (ledger.house_account("opening", account.unit), amount)),
                self.day,
            )
            for n, (account, amount) in enumerate(self.lines, start=2)
        )


Operation = Post | Exchange | Reverse | SetAside | Capture | Void | Expire | CloseAccount | ClosePeriod | Bulk | Opening
Instant = tuple[int, int]  # (0, day) of the past, or (1, n): when the n-th transaction was recorded


@dataclass(frozen=True)
class Written:
    place: int
    asked: object
    legs: Legs
    effective: Instant
    reverses: str | None = None


@dataclass(frozen=True)
class Kept:
    asked: SetAside
    state: str = "open"


def is_persons(account: Account) -> bool:
    """Persons are owed what they have, and never have less than nothing; the house may."""
    return account.owner_kind == "person"


@dataclass
class Oracle:
    """The books of one example. `do` says what may be answered, and does what is then done."""

    balance: dict[Account, int] = field(default_factory=dict)
    written: dict[str, Written] = field(default_factory=dict)
    holds: dict[str, Kept] = field(default_factory=dict)
    refused: dict[str, tuple[Post, frozenset[str]]] = field(default_factory=dict)
    reversed: set[str] = field(default_factory=set)
    closed: set[Account] = field(default_factory=set)
    closed_before: int = -1

    def copy(self) -> "Oracle":
        return Oracle(
            dict(self.balance), dict(self.written), dict(self.holds), dict(self.refused), set(self.reversed),
            set(self.closed), self.closed_before,
        )  # fmt: skip

    def posted(self, account: Account) -> int:
        """What a person is owed."""
        return -self.balance.get(account, 0)

    def held(self, account: Account) -> int:
        return sum(
            one.asked.amount for one in self.holds.values() if one.asked.account == account and one.state == "open"
        )

    def available(self, account: Account) -> int:
        return self.posted(account) - self.held(account)

    def at(self, account: Account, effective: Instant | None, recorded: int | None, *, before: bool = False) -> int:
        """What a person was owed by the effects up to (or `before`) one instant, as told up to the `recorded`-th."""
        return -sum(
            amount
            for one in self.written.values()
            if (effective is None or (one.effective < effective if before else one.effective <= effective))
            and (recorded is None or one.place <= recorded)
            for leg, amount in one.legs
            if leg == account
        )

    def do(self, operation: Operation) -> Answers:  # noqa: C901, PLR0911, PLR0912  # a case for each operation
        """What may be answered now; and the books are as they are afterwards."""
        match operation:
            case Post():
                return (self._post(operation),)
            case Exchange(key, _, _, _):
                return (self._write(key, operation, operation.legs, None),)
            case Reverse():
                return (self._reverse(operation),)
            case SetAside():
                return (self._set_aside(operation),)
            case Capture():
                return (self._capture(operation),)
            case Void(hold):
                return (self._void(hold),)
            case Expire(hour):
                for key, one in self.holds.items():
                    if one.state == "open" and one.asked.due is not None and one.asked.due <= hour:
                        self.holds[key] = replace(one, state="expired")
                return (DONE,)
            case CloseAccount(account):
                if self.posted(account) or self.held(account):
                    return (frozenset({"AccountInUse"}),)
                self.closed.add(account)
                return (DONE,)
            case ClosePeriod(day):
                self.closed_before = max(self.closed_before, day)
                return (DONE,)
            case Bulk(posts, atomic):
                return self._atomic(posts) if atomic else tuple(self._post(one) for one in posts)
            case Opening():
                answers = self._atomic(operation.posts)
                return (DONE if all(one <= THERE for one in answers) else frozenset({"faults"}),)

    def _atomic(self, posts: Sequence[Post]) -> Answers:
        tried = self.copy()
        answers = tuple(tried._post(one) for one in posts)
        if any(not one <= THERE for one in answers):
            return tuple(frozenset({"withheld"}) if one <= THERE else one for one in answers)
        for one in posts:
            self._post(one)
        return answers

    def _post(self, post: Post) -> frozenset[str]:
        known = self.refused.get(post.key)
        if post.grouped and known is not None and post.key not in self.written:
            return known[1] if known[0] == post else frozenset({"IdempotencyKeyReused"})
        answer = self._write(post.key, replace(post, grouped=False), post.legs, post.day)
        if post.grouped and not answer & {"written", "replayed", "IdempotencyKeyReused"}:
            self.refused[post.key] = (post, answer)
        return answer

    def _write(
        self, key: str, asked: object, legs: Legs, day: int | None, *, takes: Account | None = None,
        reverses: str | None = None,
    ) -> frozenset[str]:  # fmt: skip
        """`takes` is the account whose hold the posting ends: what it takes was set aside."""
        if key in self.written:
            return frozenset({"replayed" if self.written[key].asked == asked else "IdempotencyKeyReused"})
        if day is not None and day < self.closed_before:
            return frozenset({"PeriodClosed"})
        if reverses in self.reversed:
            return frozenset({"AlreadyReversed"})
        if refusals := frozenset(self._refusals(legs, takes)):
            return refusals
        place = len(self.written)
        effective = (1, place) if day is None else (0, day)
        self.written[key] = Written(place, asked, legs, effective, reverses)
        for account, amount in legs:
            self.balance[account] = self.balance.get(account, 0) + amount
        return WRITTEN

    def _refusals(self, legs: Legs, takes: Account | None) -> Iterator[str]:
        for account, amount in legs:
            if account in self.closed:
                yield "AccountClosed"
            elif is_persons(account) and account != takes and amount > max(self.available(account), 0):
                yield "InsufficientFunds"

    def _reverse(self, wish: Reverse) -> frozenset[str]:
        original = self.written[wish.of]
        if original.reverses is not None:
            return frozenset({"NotReversible"})
        legs = tuple((account, -amount) for account, amount in original.legs)
        answer = self._write(wish.key, wish, legs, None, reverses=wish.of)
        if answer == WRITTEN:
            self.reversed.add(wish.of)
        return answer

    def _set_aside(self, wish: SetAside) -> frozenset[str]:
        if wish.key in self.holds:
            return frozenset({f"hold {self.holds[wish.key].state}"})
        if wish.account in self.closed:
            return frozenset({"AccountClosed"})
        if wish.amount > self.available(wish.account):
            return frozenset({"InsufficientFunds"})
        self.holds[wish.key] = Kept(wish)
        return frozenset({"hold open"})

    def _capture(self, wish: Capture) -> frozenset[str]:
        kept = self.holds[wish.hold]
        if wish.key not in self.written and kept.state != "open":
            return frozenset({"HoldEnded"})
        taken = dict(wish.legs).get(kept.asked.account, 0)
        account = kept.asked.account
        if wish.key not in self.written and not 1 <= taken <= kept.asked.amount:
            return frozenset(self._refusals(wish.legs, account)) or frozenset({"CaptureNotCovered"})
        answer = self._write(wish.key, wish, wish.legs, None, takes=account)
        if answer == WRITTEN:
            self.holds[wish.hold] = replace(kept, state="captured")
        return answer

    def _void(self, hold: str) -> frozenset[str]:
        kept = self.holds[hold]
        if kept.state not in ("open", "voided"):
            return frozenset({"HoldEnded"})
        self.holds[hold] = replace(kept, state="voided")
        return frozenset({"hold voided"})


def serial_orders(oracle: Oracle, done: Sequence[tuple[Operation, Sequence[str]]]) -> Iterator[Oracle]:
    """The books after each order in which the operations, one after the other, give just the answers they got."""
    for order in itertools.permutations(done):
        tried = oracle.copy()
        if all(fits(tried.do(operation), got) for operation, got in order):
            yield tried


def fits(allowed: Answers, got: Sequence[str]) -> bool:
    """Whether each answer is one that is allowed."""
    return len(allowed) == len(got) and all(answer in may for may, answer in zip(allowed, got, strict=True))
