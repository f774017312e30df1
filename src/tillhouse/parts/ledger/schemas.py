"""Requests and responses of the ledger. Amounts are decimal strings above zero; `side` says debit or credit."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from tillhouse.kernel.schemas import Strict
from tillhouse.parts.ledger.domain import BOOK, ENTRY, MAX_LEGS, MAX_POSTINGS

Instant = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]


class LegIn(Strict):
    """One side of a transaction. The account is opened on its first posting."""

    owner_kind: str = Field(
        BOOK, max_length=50, pattern=r"^[a-z_]+$", description="`ledger`: an account of your own books."
    )
    owner_id: UUID | None = Field(description="Whose account: a customer of yours, or one id of your own for yourself.")
    code: str = Field(pattern=r"^[a-z][a-z0-9:._-]{0,99}$", examples=["asset:bank", "customer:balance"])
    currency: str = Field(max_length=20, examples=["INR"])
    side: Literal["debit", "credit"]
    amount: str = Field(max_length=30, pattern=r"^[0-9.]+$", examples=["150.00"])


class TransactionIn(Strict):
    """A transaction to be written: its debits and credits are equal in each currency."""

    kind: str = Field(ENTRY, max_length=100, description="A kind that is open to API keys.")
    legs: list[LegIn] = Field(min_length=2, max_length=MAX_LEGS)
    effective_at: Instant | None = Field(None, description="When it took effect; left out: when it is written.")
    metadata: dict[str, JsonValue] = Field(
        default_factory=dict,
        description=(
            "What you want to find it by: at most 4,000 characters as JSON. Texts and numbers at the top, and those in "
            "an object `tags`, are found by `?metadata=name: value`."
        ),
        examples=[{"order": "A-1042", "tags": {"channel": "web"}}],
    )


class BulkIn(Strict):
    """Up to 10,000 transactions, written in order in one go."""

    atomic: bool = Field(False, description="Write all or none: the first refusal answers for the whole bulk.")
    transactions: list[TransactionIn] = Field(min_length=1, max_length=MAX_POSTINGS)


class ReversalIn(Strict):
    """What to say about a reversal."""

    effective_at: Instant | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


class LegOut(BaseModel):
    """One side of a transaction."""

    owner_kind: str
    owner_id: UUID | None
    code: str
    currency: str
    side: Literal["debit", "credit"]
    amount: str


class TransactionOut(BaseModel):
    """A written transaction."""

    id: str
    kind: str
    legs: list[LegOut]
    effective_at: datetime
    recorded_at: datetime
    metadata: dict[str, JsonValue]
    reverses: str | None = Field(description="The transaction that this one takes back.")


class TransactionNow(TransactionOut):
    """A written transaction as it stands now."""

    reversed_by: str | None = Field(description="The transaction that took this one back.")


class RefusalOut(BaseModel):
    """Why one of a bulk was not written."""

    status: int
    code: str
    detail: str


class BulkItemOut(BaseModel):
    """What became of one of a bulk: `id` and `recorded_at`, or `problem`."""

    id: str | None = None
    recorded_at: datetime | None = None
    problem: RefusalOut | None = None


class BulkOut(BaseModel):
    """One outcome per transaction, in order."""

    written: int
    refused: int
    items: list[BulkItemOut]
