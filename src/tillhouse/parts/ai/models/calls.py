"""The tables of calls to models."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonObject

_SCHEMA = "ai"


class PriceListRow(Base):
    """A version of prices that some call was counted with, as it stood: so that its cost can be worked out again."""

    __tablename__ = "price_lists"
    __table_args__ = ({"schema": _SCHEMA},)

    version: Mapped[str] = mapped_column(Text, primary_key=True)
    unit: Mapped[str] = mapped_column(Text)
    models: Mapped[JsonObject]
    first_used_at: Mapped[datetime]


class CallRow(Base):
    """One try at one model. Several tries for one question share `request_id`. Costs are billionths of `unit`.

    `most` is what was reserved, `cost` what was done. `provider_request_id` is the endpoint's own name of the call.
    """

    __tablename__ = "calls"
    __table_args__ = (
        CheckConstraint("kind IN ('chat', 'transcription', 'embedding', 'image')", name="kind"),
        CheckConstraint("state IN ('running', 'done', 'cut', 'cancelled', 'late', 'failed', 'lost')", name="state"),
        CheckConstraint("owner_kind IN ('person', 'organisation', 'house')", name="owner_kind"),
        CheckConstraint("(owner_kind = 'house') = (owner_id IS NULL)", name="owner"),
        CheckConstraint(
            "least(input_tokens, output_tokens, cached_tokens, milliseconds, pieces, most, cost) >= 0", name="amounts"
        ),
        CheckConstraint("(state = 'running') = (finished_at IS NULL)", name="finished"),
        Index("ix_calls_owner_id_id", "owner_id", "id"),
        Index("ix_calls_created_at", "created_at"),
        Index("ix_calls_running", "deadline_at", postgresql_where=text("state = 'running'")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    request_id: Mapped[UUID]
    attempt: Mapped[int]
    kind: Mapped[str] = mapped_column(Text)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID | None]
    purpose: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    failure: Mapped[str | None] = mapped_column(Text)
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    cached_tokens: Mapped[int]
    milliseconds: Mapped[int]
    pieces: Mapped[int]
    estimated: Mapped[bool] = mapped_column(Boolean)
    price_version: Mapped[str] = mapped_column(ForeignKey(f"{_SCHEMA}.price_lists.version"))
    unit: Mapped[str] = mapped_column(Text)
    most: Mapped[int]
    cost: Mapped[int]
    provider_request_id: Mapped[str | None] = mapped_column(Text)
    first_token_ms: Mapped[int | None]
    latency_ms: Mapped[int | None]
    created_at: Mapped[datetime]
    deadline_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
