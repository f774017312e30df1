"""An amount in each of several currencies, as a setting says it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.money import Money

_HOME = "INR"  # what a number without a currency is in


@dataclass(frozen=True, slots=True)
class Amounts:
    """Minor units by currency."""

    minor: Mapping[str, int]

    @classmethod
    def of(cls, **amounts: str) -> "Amounts":
        """Amounts written as decimal strings in major units: `Amounts.of(INR="500.00", VND="100000")`.

        Raises `ValueError` for an unknown currency, for more digits than it has, and below zero.
        """
        return cls({unit: _minor(amount, unit) for unit, amount in amounts.items()})

    def within(self, unit: str, otherwise: int) -> int:
        """The amount in `unit`, in its minor units; `otherwise` for a currency that none is said for."""
        return self.minor.get(unit, otherwise)

    def __str__(self) -> str:
        return json.dumps({unit: str(Money(minor, unit)) for unit, minor in self.minor.items()})


def amounts_from(value: object, standard: Amounts) -> Amounts:
    """What a setting says: `{"INR": "50000", "VND": "5000000"}` in major units, or a whole number of paise for INR.

    Currencies that it does not name keep the amount of `standard`. Raises `ValueError`.
    """
    if isinstance(value, Amounts):
        return value
    if isinstance(value, str) and value.strip().startswith("{"):
        value = json.loads(value, parse_float=str)  # never a float near money
    if isinstance(value, Mapping):
        said = Amounts.of(**{str(unit): str(amount) for unit, amount in value.items()}).minor
    else:
        said = {_HOME: _paise(value)}
    return Amounts({**standard.minor, **said})


def _paise(value: object) -> int:
    text = str(value).strip()
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise ValueError('write {"INR": "500.00", "THB": "200.00"}, or a whole number of paise for INR alone')
    return int(text)


def _minor(amount: str, unit: str) -> int:
    try:
        found = Money.parse(amount, unit).minor
    except InvalidInput:
        raise ValueError(f"{amount} is no amount in {unit}") from None
    if found < 0:
        raise ValueError(f"{amount} is below zero")
    return found
