"""The tables of files."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonObject


class BlobRow(Base):
    """Bytes in the store, once for each owner who has them: `writing` until whole, `waste` once no file needs them."""

    __tablename__ = "blobs"
    __table_args__ = (
        CheckConstraint("state IN ('writing', 'stored', 'waste')", name="state"),
        Index("uq_blobs_owner_id_sha256", "owner_id", "sha256", unique=True, postgresql_where=text("state = 'stored'")),
        Index("ix_blobs_waste", "changed_at", postgresql_where=text("state <> 'stored'")),
        {"schema": "files"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int]
    state: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime]


class FileRow(Base):
    """A file, or a rendition of one. Only a `ready` one can be read; `deleted` ones go with the next sweep."""

    __tablename__ = "files"
    __table_args__ = (
        CheckConstraint(
            "state IN ('uploading', 'scanning', 'processing', 'ready', 'refused', 'deleted')", name="state"
        ),
        CheckConstraint("state <> 'ready' OR (blob_id IS NOT NULL AND sha256 IS NOT NULL)", name="ready"),
        CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="refused"),
        Index("ix_files_owner_id", "owner_id", "id"),
        Index("ix_files_waste", "changed_at", postgresql_where=text("state = 'deleted'")),
        Index("ix_files_refused", "changed_at", postgresql_where=text("state = 'refused'")),
        Index("ix_files_uploading", "changed_at", postgresql_where=text("state = 'uploading'")),
        Index("ix_files_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        Index("ix_files_blob_id", "blob_id"),
        Index(
            "uq_files_parent_id_rendition",
            "parent_id",
            "rendition",
            unique=True,
            postgresql_where=text("state <> 'deleted'"),
        ),
        {"schema": "files"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    size: Mapped[int]
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    blob_id: Mapped[UUID | None] = mapped_column(ForeignKey("files.blobs.id"))
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("files.files.id", ondelete="CASCADE"))
    rendition: Mapped[str | None] = mapped_column(Text)
    facts: Mapped[JsonObject]
    expires_at: Mapped[datetime | None]


class UploadRow(Base):
    """A file on its way in. `writer` is the one request that may add bytes: a newer one takes it over."""

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("way IN ('tus', 'direct')", name="way"),
        CheckConstraint("received BETWEEN 0 AND length", name="received"),
        Index("ix_uploads_expires_at", "expires_at"),
        {"schema": "files"},
    )

    file_id: Mapped[UUID] = mapped_column(ForeignKey("files.files.id", ondelete="CASCADE"), primary_key=True)
    way: Mapped[str] = mapped_column(Text)
    length: Mapped[int]
    received: Mapped[int]
    writer: Mapped[UUID | None]
    expires_at: Mapped[datetime]


class ChunkRow(Base):
    """A run of bytes of an upload, in an object of its own."""

    __tablename__ = "chunks"
    __table_args__ = (CheckConstraint("size > 0", name="size"), {"schema": "files"})

    file_id: Mapped[UUID] = mapped_column(ForeignKey("files.uploads.file_id", ondelete="CASCADE"), primary_key=True)
    start: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]
    object_id: Mapped[UUID]
