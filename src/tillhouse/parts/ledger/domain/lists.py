"""What staff list: accounts as they stand, and which of many to show."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

from tillhouse.kernel.db import JsonObject, JsonValue
from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import AccountRef, AccountType


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as staff see it. `id` orders accounts by when they were opened; `title`, `number`: the chart's."""

    id: int
    ref: AccountRef
    type: AccountType
    title: str | None
    number: str | None
    lots: bool
    posted: Money
    held: Money
    floor: Money | None
    entries: int
    opened_at: datetime
    closed: bool

    @property
    def available(self) -> Money:
        return self.posted - self.held


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFilter:
    """Which accounts to list: every field that is given has to match. `code` may end in `*`."""

    owner_kind: str | None = None
    owner_id: UUID | None = None
    code: str | None = None
    unit: str | None = None
    type: AccountType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionFilter:
    """Which transactions to list: every field that is given has to match.

    `metadata` is contained in the transaction's, and so is one of the objects in `said` (all of them found by an
    index). `since` (inclusive) and `until` (exclusive) are effective times.
    """

    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    said: Sequence[JsonObject] = ()
    kind: str | None = None
    kinds: Collection[str] | None = None
    account: AccountRef | None = None
    since: datetime | None = None
    until: datetime | None = None


def said(text: str) -> tuple[JsonObject, ...]:
    """What metadata may hold where a person looks for `order: A-1042`: one of these, by itself or among the tags.

    `=` does as well as `:`, and a number or `true` is also looked for as such. Raises `InvalidInput` (`/metadata`).
    """
    at = min((place for mark in ":=" if (place := text.find(mark)) > 0), default=0)
    name, value = text[:at].strip(), text[at + 1 :].strip()
    if not name or not value or "\0" in text:
        sentence = N_("Write what the metadata says as its name and value, such as “order: A-1042”.")
        raise InvalidInput(sentence, errors=[FieldError("/metadata", "bad_metadata", sentence)])
    values: list[JsonValue] = [value]
    with suppress(ValueError, RecursionError, OverflowError):
        read: object = json.loads(value)
        if isinstance(read, int | float) and math.isfinite(read):
            values.append(cast("JsonValue", read))  # integrators may write what the house does not
    plain: list[JsonObject] = [{name: found} for found in values]
    tagged: list[JsonObject] = [{"tags": {name: found}} for found in values]
    return (*plain, *tagged)


def account_named(text: str) -> AccountRef:
    """An account as it is written everywhere: `house/bank/INR`. Raises `InvalidInput` (pointer `/account`)."""
    owner, _, rest = text.strip().partition("/")
    code, _, unit = rest.rpartition("/")
    kind, _, number = owner.partition(":")
    try:
        if not (kind and code and unit):
            raise ValueError
        return AccountRef(kind, UUID(number) if number else None, code, unit)
    except ValueError:
        sentence = N_("Write an account as owner, code and unit: house/bank/INR.")
        raise InvalidInput(sentence, errors=[FieldError("/account", "bad_account", sentence)]) from None
