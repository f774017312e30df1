"""What staff list: accounts as they stand, and which of many to show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from tillhouse.kernel.db import JsonValue
from tillhouse.kernel.money import Money
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

    `metadata` is contained in the transaction's. What it says under `tags` is found by an index; anything else is
    looked for among what the other fields leave. `since` (inclusive) and `until` (exclusive) are effective times.
    """

    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    kind: str | None = None
    account: AccountRef | None = None
    since: datetime | None = None
    until: datetime | None = None
