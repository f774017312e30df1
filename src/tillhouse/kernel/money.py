"""Money: an integer number of minor units and the unit they are of. No float comes near it.

On the wire an amount is a decimal string (`"150.00"`) beside its currency; inside it is paise, satang, dong or points.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.text import N_

# ISO 4217 minor units. Points and credits are units of their own, registered by the module that issues them.
_DIGITS: dict[str, int] = {"INR": 2, "THB": 2, "USD": 2, "VND": 0}
# The others of ISO 4217 that have not two: a provider may report in any, and what it says is shown, whatever we handle.
_NO_DIGITS = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VUV", "XAF", "XOF", "XPF"]
)
_THREE_DIGITS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])

_PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")
_LONGEST = 28  # characters: what Decimal scales without rounding

MAX_MINOR = 2**63 - 1  # what PostgreSQL's bigint holds


def register_unit(unit: str, digits: int) -> None:
    """Make a unit known (points, credits) with its number of decimal digits. Repeating it is harmless."""
    if _DIGITS.setdefault(unit, digits) != digits:
        raise ValueError(f"unit {unit} already has {_DIGITS[unit]} digits")


def digits_of(unit: str) -> int:
    """How many decimal digits an amount in `unit` is written with. Raises `InvalidInput` for an unknown unit."""
    try:
        return _DIGITS[unit]
    except KeyError:
        raise InvalidInput(
            N_("{unit} is not a currency we handle."),
            unit=unit,
            errors=[FieldError("/currency", "unknown_currency", N_("This is not a currency we handle."))],
        ) from None


def digits_shown(unit: str) -> int:
    """How many decimal digits an amount is shown with, in a currency that we do not handle, too."""
    return _DIGITS.get(unit, 0 if unit in _NO_DIGITS else 3 if unit in _THREE_DIGITS else 2)


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """`minor` minor units of `unit`. May be negative: a balance or a correction can be."""

    minor: int
    unit: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"minor units are an int, not {type(self.minor).__name__}")

    @classmethod
    def parse(cls, amount: str, unit: str) -> Self:
        """Read a decimal string such as `"150.00"`. Exact: more digits than the unit has are refused, not rounded.

        Raises `InvalidInput` (pointer `/amount`) for anything that is not a plain decimal number in range.
        """
        digits = digits_of(unit)
        if not _PLAIN.fullmatch(amount) or len(amount) > _LONGEST:
            raise _bad_amount("not_a_number", N_("Write the amount in digits, for example 150.00."))
        scaled = Decimal(amount).scaleb(digits)
        if scaled != scaled.to_integral_value():
            raise too_precise()
        if abs(scaled) > MAX_MINOR:
            raise _bad_amount("too_large", N_("This amount is larger than we can handle."))
        return cls(int(scaled), unit)

    @property
    def decimal(self) -> Decimal:
        """The amount in major units, exact."""
        return Decimal(self.minor).scaleb(-digits_shown(self.unit))

    def __str__(self) -> str:
        """The wire form without the unit: `150.00`."""
        return f"{self.decimal:.{digits_shown(self.unit)}f}"

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + self._same_unit(other), self.unit)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - self._same_unit(other), self.unit)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.unit)

    def __lt__(self, other: "Money") -> bool:
        return self.minor < self._same_unit(other)

    def __le__(self, other: "Money") -> bool:
        return self.minor <= self._same_unit(other)

    def __gt__(self, other: "Money") -> bool:
        return self.minor > self._same_unit(other)

    def __ge__(self, other: "Money") -> bool:
        return self.minor >= self._same_unit(other)

    def __bool__(self) -> bool:
        return self.minor != 0

    def split(self, weights: Sequence[int]) -> list["Money"]:
        """Share the whole out by integer `weights`; the parts always sum to it (largest remainder, ties to the first).

        Raises `ValueError` when a weight is negative or all are zero.
        """
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError("weights are non-negative and not all zero")
        sign = -1 if self.minor < 0 else 1
        whole = abs(self.minor)
        shares = [whole * weight // total for weight in weights]
        by_remainder = sorted(range(len(weights)), key=lambda i: (-(whole * weights[i] % total), i))
        for i in by_remainder[: whole - sum(shares)]:
            shares[i] += 1
        return [Money(sign * share, self.unit) for share in shares]

    def _same_unit(self, other: "Money") -> int:
        if self.unit != other.unit:
            raise ValueError(f"{self.unit} and {other.unit} do not mix")
        return other.minor


def too_precise() -> InvalidInput:
    """The refusal of an amount with more digits after the point than its unit has."""
    return _bad_amount("too_precise", N_("This currency has fewer digits after the point than that."))


def _bad_amount(code: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[FieldError("/amount", code, message)])
