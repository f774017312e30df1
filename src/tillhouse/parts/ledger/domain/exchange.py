"""Rates between units, exact: a decimal number, whole minor units on both sides, and a rounding that is said aloud."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal, Self

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.money import Money, digits_of
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import AccountKind

Rounding = Literal["half_even", "half_up", "down", "up"]

EXCHANGE = "exchange"
ROUNDING = "rounding"

EXCHANGE_ACCOUNTS = (
    AccountKind(owner_kind="house", code=EXCHANGE, type="equity", number="3900", title=N_("Currency positions")),
    AccountKind(owner_kind="house", code=ROUNDING, type="income", number="4990", title=N_("Rounding")),
)

_PLAIN = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")


@dataclass(frozen=True, slots=True)
class Rate:
    """One `base` is worth `value` of `quote`, both in major units: 1 USD is 83.125 INR."""

    base: str
    quote: str
    value: Decimal

    @classmethod
    def parse(cls, value: str, base: str, quote: str) -> Self:
        """Read a rate as it was quoted, such as `"83.125"`. Raises `InvalidInput` for one that is not above zero."""
        if not _PLAIN.fullmatch(value) or not Decimal(value) or base == quote:
            message = N_("A rate is a plain decimal number above zero, between two units.")
            raise InvalidInput(message, errors=[FieldError("/rate", "bad_rate", message)])
        return cls(base, quote, Decimal(value))

    def __str__(self) -> str:
        return f"{self.value:f}"

    @property
    def metadata(self) -> dict[str, str]:
        """As it is kept with a transaction: what was quoted, digit by digit."""
        return {"base": self.base, "quote": self.quote, "rate": str(self)}

    def convert(self, amount: Money, rounding: Rounding) -> Money:
        """`amount` of one of the two units in the other. Raises `ValueError` for a third one."""
        if amount.unit == self.base:
            target, factor = self.quote, Fraction(self.value)
        elif amount.unit == self.quote:
            target, factor = self.base, 1 / Fraction(self.value)
        else:
            raise ValueError(f"a rate of {self.base} in {self.quote} converts no {amount.unit}")
        exact = amount.minor * factor * Fraction(10) ** (digits_of(target) - digits_of(amount.unit))
        return Money(_whole(exact, rounding), target)

    def convert_parts(self, parts: Sequence[Money], rounding: Rounding) -> list[Money]:
        """`parts` of one whole, each converted, so that they sum to the converted whole (largest remainder).

        Raises `ValueError` when one is negative or all are zero.
        """
        whole = self.convert(sum(parts[1:], parts[0]), rounding)
        return whole.split([part.minor for part in parts])


def valued(positions: Mapping[str, Money], rates: Sequence[Rate], unit: str) -> Money:
    """What positions in several units are worth in `unit` at today's `rates`: the gain (or loss) of exchanging so far.

    Raises `LookupError` when the rate of a unit with a position is missing.
    """
    total = Money(0, unit)
    for position in positions.values():
        if position.unit == unit:
            total += position
        elif position:
            rate = next((one for one in rates if {one.base, one.quote} == {position.unit, unit}), None)
            if rate is None:
                raise LookupError(f"no rate between {position.unit} and {unit}")
            total += rate.convert(position, "half_even")
    return total


def _whole(exact: Fraction, rounding: Rounding) -> int:
    """`exact` as a whole number. `down` is towards zero, `up` away from it."""
    whole, rest = divmod(abs(exact.numerator), exact.denominator)
    half = 2 * rest - exact.denominator
    more = {
        "down": False,
        "up": rest > 0,
        "half_up": half >= 0,
        "half_even": half > 0 or (half == 0 and whole % 2 == 1),
    }[rounding]
    return (whole + more) * (-1 if exact < 0 else 1)
