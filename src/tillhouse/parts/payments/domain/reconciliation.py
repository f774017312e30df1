"""What a provider's report, our books and the bank say of the same money: the words, and who is right about what.

A line of a report is compared with the *claim* that our books have for its subject. Every line has exactly one class;
only `matched` and `late` lines are booked against the claim, and each claim once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.kernel.text import N_

LineKind = Literal["payment", "refund", "dispute", "reinstated", "payout", "returned", "adjustment"]


class LineClass(StrEnum):
    """How a line of a report and our books agree."""

    MATCHED = "matched"
    LATE = "late"
    MISSING = "missing"
    EXTRA = "extra"
    AMOUNT = "amount"
    CURRENCY = "currency"
    FEE = "fee"
    DUPLICATE = "duplicate"


AGREED = frozenset({LineClass.MATCHED, LineClass.LATE})


@dataclass(frozen=True, slots=True)
class Claim:
    """What our books expect a provider to report. `amount` is above zero for money in our favour.

    `item` is the open item of the ledger that the report's line closes; `fee` is None while the provider told none.
    `instead` is what the line may say as well; with `in_parts` it may be about a part of `amount`.
    """

    row_id: UUID
    subject_id: str
    amount: Money
    fee: Money | None
    item: str
    since: datetime
    instead: Money | None = None
    in_parts: bool = False

    def as_told(self, gross: Money) -> "Claim":
        """The claim over what a line says, where that is what it may say."""
        part = self.in_parts and gross.unit == self.amount.unit and 0 < gross.minor < self.amount.minor
        return replace(self, amount=gross) if part or gross == self.instead else self


def classify(gross: Money, fee: Money, claim: Claim | None, *, taken: bool, missed: bool) -> LineClass:
    """The one class of a line. `taken`: the claim was settled before; `missed`: it was named missing before."""
    if claim is None:
        return LineClass.EXTRA
    if gross.unit != claim.amount.unit:
        return LineClass.CURRENCY
    if taken:
        return LineClass.DUPLICATE
    if gross != claim.amount:
        return LineClass.AMOUNT
    if claim.fee is not None and fee != claim.fee:
        return LineClass.FEE
    return LineClass.LATE if missed else LineClass.MATCHED


class BankClass(StrEnum):
    """How a line of our bank's statement and our books agree. All but `matched` wait in suspense."""

    MATCHED = "matched"
    UNKNOWN = "unknown"
    AMOUNT = "amount"
    CURRENCY = "currency"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Expected:
    """Money that may stand in our bank's statement: `change` as it would be there, what it ends, and where to book it.

    `target` is unique: one line of the bank for each.
    """

    target: str
    change: Money
    account: str
    item: str | None


def choose(change: Money, expected: Sequence[Expected], taken: frozenset[str]) -> tuple[BankClass, Expected | None]:
    """What a line of the bank is, of all that is expected under its reference."""
    fitting = [one for one in expected if one.change == change]
    free = next((one for one in fitting if one.target not in taken), None)
    if free:
        return BankClass.MATCHED, free
    if fitting:
        return BankClass.DUPLICATE, fitting[0]
    if not expected:
        return BankClass.UNKNOWN, None
    same = any(one.change.unit == change.unit for one in expected)
    return (BankClass.AMOUNT if same else BankClass.CURRENCY), expected[0]


def kind_of(kind: LineKind, gross: Money) -> LineKind:
    """What a line of a report is about. What gives back what was taken is another line than what took it: of a dispute
    it is *reinstated*, of a payout *returned*.
    """
    gives_back: dict[LineKind, LineKind] = {"dispute": "reinstated", "payout": "returned"}
    return gives_back.get(kind, kind) if gross.minor > 0 else kind


BUCKETS: tuple[tuple[str, int | None], ...] = (("0-1", 1), ("2-3", 3), ("4-7", 7), ("8-30", 30), ("30+", None))


def bucket_of(age: timedelta) -> str:
    """The age bucket of an open item, by full days."""
    return next(name for name, most in BUCKETS if most is None or age.days <= most)


@dataclass(frozen=True, slots=True)
class CorrectionLeg:
    """One leg of a proposed correction: `account` of the house, debits above zero, and the open item that it ends."""

    account: str
    amount: Money
    item: str | None = None


CORRECTABLE = (
    "house/suspense:*",
    "house/clearing:*",
    "house/settling:*",
    "house/payouts:*",
    "house/fees:*",
    "house/bank",
    "house/write-off",
)


def check_correction(legs: Sequence[CorrectionLeg], accounts: frozenset[str]) -> None:
    """Raise `InvalidInput`, naming each fault, unless the legs make a posting over `accounts` alone."""
    errors: list[FieldError] = []
    if len(legs) < 2:
        errors.append(FieldError("/legs", "leg_count", N_("A correction has at least two legs.")))
    for n, leg in enumerate(legs):
        if leg.account not in accounts:
            message = N_("A correction may not touch this account.")
            errors.append(FieldError(f"/legs/{n}/account", "account_not_allowed", message))
        if not 0 < abs(leg.amount.minor) <= MAX_MINOR:
            errors.append(FieldError(f"/legs/{n}/amount", "bad_amount", N_("An amount is not zero.")))
    names = [(leg.account, leg.amount.unit) for leg in legs]
    if len(set(names)) < len(names):
        errors.append(FieldError("/legs", "account_twice", N_("Name each account once: add the amounts up.")))
    sums: dict[str, int] = {}
    for leg in legs:
        sums[leg.amount.unit] = sums.get(leg.amount.unit, 0) + leg.amount.minor
    if any(sums.values()):
        errors.append(FieldError("/legs", "unbalanced", N_("The legs do not sum to zero.")))
    if errors:
        raise InvalidInput(N_("This correction cannot be posted: check its legs."), errors=errors)


def days_of(pairs: Sequence[str]) -> Mapping[str, int]:
    """`("razorpay=3",)` as a mapping. Raises `ValueError` for anything else."""
    found: dict[str, int] = {}
    for pair in pairs:
        name, _, days = pair.partition("=")
        if not (name and days.isdecimal() and len(days) < 5):
            raise ValueError("write each as name=days, for example razorpay=3")
        found[name] = int(days)
    return found
