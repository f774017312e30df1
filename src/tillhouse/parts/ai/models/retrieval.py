"""The tables of documents that are searched."""

from datetime import datetime
from uuid import UUID

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    cast,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonObject

# Lengths of vectors that have an index; others are compared one by one.
INDEXED_DIMENSIONS = (256, 384, 512, 768, 1024, 1536)


class CollectionRow(Base):
    """Documents of one owner that are searched together. `number` begins every term of theirs in the index."""

    __tablename__ = "collections"
    __table_args__ = (UniqueConstraint("owner_id", "name"), UniqueConstraint("number"), {"schema": "ai"})

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Identity(always=True))
    owner_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class DocumentRow(Base):
    """A document and where it stands. `revision` counts the files that it had, `failure` is a key of `UNREADABLE`.

    `indexed_file_id` is the file whose words are found: not yet `file_id` while a newer one is being read.
    """

    __tablename__ = "documents"
    __table_args__ = (
        CheckConstraint("state IN ('received', 'parsing', 'indexing', 'ready', 'failed', 'deleting')", name="state"),
        CheckConstraint("(failure IS NOT NULL) = (state = 'failed')", name="failure"),
        Index(
            "uq_documents_collection_id_sha256",
            "collection_id",
            "sha256",
            unique=True,
            postgresql_where=text("state <> 'deleting'"),
        ),
        Index("ix_documents_owner_id_id", "owner_id", "id"),
        Index("ix_documents_file_id", "file_id"),
        Index("ix_documents_indexed_file_id", "indexed_file_id", postgresql_where=text("indexed_file_id IS NOT NULL")),
        {"schema": "ai"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    collection_id: Mapped[UUID] = mapped_column(ForeignKey("ai.collections.id", ondelete="CASCADE"))
    owner_id: Mapped[UUID]
    file_id: Mapped[UUID]
    indexed_file_id: Mapped[UUID | None]
    name: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    languages: Mapped[list[str]] = mapped_column(ARRAY(Text))
    state: Mapped[str] = mapped_column(Text)
    revision: Mapped[int]
    job_id: Mapped[UUID | None]
    title: Mapped[str] = mapped_column(Text)
    pages_read: Mapped[int]
    pages_total: Mapped[int]
    passages_indexed: Mapped[int]
    passages_total: Mapped[int]
    hidden_pages: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    unsure_pages: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    failure: Mapped[str | None] = mapped_column(Text)
    failure_page: Mapped[int | None]
    failure_most: Mapped[int | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class PageRow(Base):
    """A page as it was read (`domain.reading.to_wire`), so that a page that did not change is not read again."""

    __tablename__ = "pages"
    __table_args__ = (CheckConstraint("source IN ('text', 'ocr')", name="source"), {"schema": "ai"})

    document_id: Mapped[UUID] = mapped_column(ForeignKey("ai.documents.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int]
    fingerprint: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    content: Mapped[JsonObject]


class PassageRow(Base):
    """A passage: a stretch of a page's text with its headings and lines, and the terms it is found by."""

    __tablename__ = "passages"
    __table_args__ = (
        CheckConstraint("start_at >= 0 AND end_at > start_at", name="span"),
        Index("ix_passages_document_id_place", "document_id", "place"),
        Index("ix_passages_collection_id", "collection_id", postgresql_include=["length"]),
        Index("ix_passages_terms", "terms", postgresql_using="gin"),
        {"schema": "ai"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    document_id: Mapped[UUID] = mapped_column(ForeignKey("ai.documents.id", ondelete="CASCADE"))
    collection_id: Mapped[UUID]
    owner_id: Mapped[UUID]
    place: Mapped[int]
    page: Mapped[int]
    start_at: Mapped[int]
    end_at: Mapped[int]
    headings: Mapped[list[str]] = mapped_column(ARRAY(Text))
    context: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    boxes: Mapped[list[list[float]]] = mapped_column(JSONB)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    length: Mapped[int]
    terms: Mapped[str] = mapped_column(TSVECTOR)


class VectorRow(Base):
    """What a passage means, as one model sees it."""

    __tablename__ = "vectors"
    __table_args__ = (
        CheckConstraint("dimensions = vector_dims(embedding)", name="dimensions"),
        Index("ix_vectors_collection_id_model", "collection_id", "model"),
        {"schema": "ai"},
    )

    passage_id: Mapped[UUID] = mapped_column(ForeignKey("ai.passages.id", ondelete="CASCADE"), primary_key=True)
    collection_id: Mapped[UUID]
    owner_id: Mapped[UUID]
    model: Mapped[str] = mapped_column(Text)
    dimensions: Mapped[int]
    embedding: Mapped[list[float]] = mapped_column(VECTOR)


for _dimensions in INDEXED_DIMENSIONS:
    Index(
        f"ix_vectors_{_dimensions}",
        cast(VectorRow.embedding, VECTOR(_dimensions)).label("embedded"),
        postgresql_using="hnsw",
        postgresql_ops={"embedded": "vector_cosine_ops"},
        postgresql_where=VectorRow.dimensions == _dimensions,
    )
