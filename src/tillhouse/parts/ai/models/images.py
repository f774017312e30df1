"""The table of pictures that were ordered."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonObject

_SCHEMA = "ai"
_OPEN = text("state IN ('queued', 'training', 'generating')")


class ImageJobRow(Base):
    """One order of an owner at a maker of pictures. Its id is the order's name there, so that it can be found again.

    `sent_at`: when it was last sent, whether or not an answer came back; `external_id` is the maker's own name of it.
    `request` is what was asked, emptied when its owner is erased; `pictures` are files of the owner.
    """

    __tablename__ = "image_jobs"
    __table_args__ = (
        CheckConstraint("kind IN ('tune', 'prompt', 'pack')", name="kind"),
        CheckConstraint("owner_kind IN ('person', 'organisation')", name="owner_kind"),
        CheckConstraint("state IN ('queued', 'training', 'generating', 'ready', 'failed', 'cancelled')", name="state"),
        CheckConstraint("(state = 'failed') = (reason IS NOT NULL)", name="reason"),
        CheckConstraint("(state IN ('ready', 'failed', 'cancelled')) = (finished_at IS NOT NULL)", name="finished"),
        Index("ix_image_jobs_owner_id_id", "owner_id", "id"),
        Index("ix_image_jobs_tune_id", "tune_id"),
        Index("ix_image_jobs_open", "look_at", postgresql_where=_OPEN),
        Index("uq_image_jobs_external_id", "endpoint", "kind", "external_id", unique=True),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID]
    purpose: Mapped[str] = mapped_column(Text)
    endpoint: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    tune_id: Mapped[UUID | None] = mapped_column(ForeignKey(f"{_SCHEMA}.image_jobs.id"))
    request: Mapped[JsonObject]
    external_id: Mapped[str | None] = mapped_column(Text)
    call_id: Mapped[UUID]
    pictures: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    sent_at: Mapped[datetime | None]
    look_at: Mapped[datetime]
    deadline_at: Mapped[datetime]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
