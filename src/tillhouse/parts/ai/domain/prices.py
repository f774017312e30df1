"""What models cost. A list of prices has a version, states every price it knows, and never guesses one.

Amounts are whole billionths of the unit (US dollars): a token's price is far below the smallest coin, and many small
roundings would add up. A price is written in the unit per million tokens, as providers write it, or per minute.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from tillhouse.kernel.text import N_
from tillhouse.parts.ai.domain.chat import TokenUsage
from tillhouse.parts.ai.domain.failures import NoPrice

NANO = 1_000_000_000
_PER_TOKEN = 1_000_000
_KEYS = frozenset({"input", "output", "cached", "minute", "piece"})
_DEAREST = Decimal(100_000)  # per million tokens: what is above it was written in another unit


@dataclass(frozen=True, slots=True)
class Rates:
    """One model's prices: per million tokens, per minute of sound, or per piece (a picture, a training)."""

    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    cached: Decimal | None = None
    minute: Decimal = Decimal(0)
    piece: Decimal = Decimal(0)

    def of_tokens(self, usage: TokenUsage) -> int:
        """What these tokens cost, in billionths of the unit, rounded up. Cached ones cost `input` unless stated."""
        cached = min(usage.cached, usage.input)
        rate = self.input if self.cached is None else self.cached
        dear = self.input * (usage.input - cached) + rate * cached + self.output * usage.output
        return _up(dear * NANO / _PER_TOKEN)

    def of_sound(self, milliseconds: int) -> int:
        """What this much sound costs, in billionths of the unit, rounded up."""
        return _up(self.minute * NANO * milliseconds / 60_000)

    def of_pieces(self, pieces: int) -> int:
        """What so many pieces cost, in billionths of the unit, rounded up."""
        return _up(self.piece * NANO * pieces)


FREE = Rates()


@dataclass(frozen=True, slots=True)
class PriceList:
    """All prices of one version. `version` names it and its content, so that no two lists share one."""

    version: str
    unit: str
    models: Mapping[str, Rates]

    def under(self, other: "PriceList") -> "PriceList":
        """This list with another laid over it: what both name costs what the other says."""
        return PriceList(f"{other.version}+{self.version}", other.unit, {**self.models, **other.models})

    def rates(self, model: str) -> Rates:
        """The prices of `endpoint/model`. Raises `NoPrice`."""
        endpoint = model.partition("/")[0]
        found = self.models.get(model) or self.models.get(f"{endpoint}/*")
        if found is None:
            raise NoPrice(N_("{model} has no price. Add it to the file that AI_PRICES names."), model=model)
        return found


def parse_prices(text: str) -> PriceList:
    """Read a price list from TOML. Raises `ValueError` naming what is missing, negative or not a number."""
    try:
        tree = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from None
    name, unit, models = tree.get("version"), tree.get("unit"), tree.get("models")
    if not isinstance(name, str) or not name:
        raise ValueError("`version` is missing: a name such as 2026-11")
    if unit != "USD":
        raise ValueError('`unit` must be "USD"')
    if not isinstance(models, dict) or not models:
        raise ValueError("`models` is missing: a table of endpoint/model")
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    return PriceList(f"{name}-{mark}", unit, {model: _rates(model, row) for model, row in models.items()})


def _rates(model: str, row: object) -> Rates:
    if "/" not in model:
        raise ValueError(f"{model}: write it as endpoint/model")
    if not isinstance(row, dict) or not row or set(row) - _KEYS:
        raise ValueError(f"{model}: needs input and output, or input alone, or minute, or piece; cached may be added")
    if not ({"input"} <= set(row) or set(row) in ({"minute"}, {"piece"})):
        raise ValueError(f"{model}: `input` is missing")
    return Rates(**{key: _price(f"{model}.{key}", value) for key, value in row.items()})


def _price(name: str, value: Any) -> Decimal:
    try:
        price = Decimal(value) if not isinstance(value, bool) else Decimal("nan")
    except (InvalidOperation, TypeError, ValueError):
        raise ValueError(f"{name}: not a number") from None
    if not price.is_finite() or price < 0:
        raise ValueError(f"{name}: a price is a number that is not negative")
    if price > _DEAREST:
        raise ValueError(f"{name}: more than {_DEAREST} per million tokens; prices are per million")
    return price


def _up(amount: Decimal) -> int:
    whole = int(amount)
    return whole if whole == amount else whole + 1
