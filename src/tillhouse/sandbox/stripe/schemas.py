"""What all of Stripe's objects and parameters share."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints

from tillhouse.sandbox.money import ZERO_DECIMAL
from tillhouse.sandbox.store import Record

Wire = dict[str, JsonValue]


class Entity(Record):
    """An object of Stripe's. `account` is whose it is; it and the fields named in `private` never leave the sandbox."""

    noun: ClassVar[str]
    private: ClassVar[frozenset[str]] = frozenset()

    object: str
    account: str
    metadata: dict[str, str] = {}

    def wire(self) -> Wire:
        """The object as the API answers it."""
        document: Wire = self.model_dump(mode="json", exclude={"created_at", "account", *self.private})
        document["created"] = self.created_at
        return document


def _no_metadata(value: object) -> object:
    return {} if value == "" else value


Metadata = Annotated[
    dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=500)]],
    Field(max_length=50),
    BeforeValidator(_no_metadata),
]
Minor = Annotated[int, Field(ge=0)]
Currency = Annotated[str, StringConstraints(to_lower=True, min_length=3, max_length=3)]
Text = Annotated[str, Field(min_length=1, max_length=5000)]


class Params(BaseModel):
    """Parameters of a call: unknown ones are refused, as Stripe does."""

    model_config = ConfigDict(extra="forbid")

    expand: list[str] = []


class Part(BaseModel):
    """A table inside the parameters."""

    model_config = ConfigDict(extra="forbid")


class MetadataBody(Params):
    """Body of the updates that change nothing but metadata."""

    metadata: Metadata = {}


class Range(Part):
    """`created[gte]=…`: unix seconds."""

    gt: int | None = None
    gte: int | None = None
    lt: int | None = None
    lte: int | None = None

    def holds(self, at: int) -> bool:
        return (
            (self.gt is None or at > self.gt)
            and (self.gte is None or at >= self.gte)
            and (self.lt is None or at < self.lt)
            and (self.lte is None or at <= self.lte)
        )


class ListQuery(Params):
    """What every list takes."""

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    starting_after: str | None = None
    ending_before: str | None = None
    created: int | Range | None = None


class SearchQuery(Params):
    """What a search takes."""

    query: str
    limit: Annotated[int, Field(ge=1, le=100)] = 10
    page: str | None = None


def merged(old: Mapping[str, str], change: Mapping[str, str], *, clear: bool = False) -> dict[str, str]:
    """Metadata after an update: an empty value unsets its key, an empty table (`clear`) unsets all."""
    if clear:
        return {}
    return {key: value for key, value in {**old, **change}.items() if value != ""}


# --- money ----------------------------------------------------------------------------------------------------------

CURRENCIES = ZERO_DECIMAL | frozenset(
    {"aed", "aud", "brl", "cad", "chf", "cny", "dkk", "eur", "gbp", "hkd", "idr", "ils", "inr", "mxn", "myr", "nok"}
    | {"nzd", "php", "pln", "sar", "sek", "sgd", "thb", "try", "twd", "usd", "xof", "zar"}
)
_LEAST = {"usd": 50, "eur": 50, "gbp": 30, "inr": 50, "jpy": 50, "thb": 1000, "sgd": 50, "aud": 50}
_MOST_DIGITS = {"inr": 9, "jpy": 10, "vnd": 10, "idr": 12}


def least(currency: str) -> int:
    """The smallest amount that can be charged."""
    return _LEAST.get(currency, 1)


def most(currency: str) -> int:
    """The largest amount that can be charged."""
    return int("9" * _MOST_DIGITS.get(currency, 8))
