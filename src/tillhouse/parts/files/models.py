"""The table of files."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base


class FileRow(Base):
    """A file: `pending` until its bytes are stored, `deleted` until they are gone."""

    __tablename__ = "files"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'stored', 'deleted')", name="state"),
        Index("ix_files_owner_id", "owner_id", "id"),
        Index("ix_files_waste", "changed_at", postgresql_where=text("state <> 'stored'")),
        {"schema": "files"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    size: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
