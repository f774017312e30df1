"""The tables of kyc. What a person says of themselves and every page of a paper are sealed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonValue

_SCHEMA = "kyc"
_OPEN = "state IN ('not_started', 'submitted', 'in_review', 'rejected')"


class CaseRow(Base):
    """One try of an owner at a level. `details` (JSON) is sealed; `fingerprint` finds the same number again without
    opening anything. `attempt` counts how often it was handed in; `taken_by` looks at it until `taken_until`.
    """

    __tablename__ = "cases"
    __table_args__ = (
        CheckConstraint("owner_kind IN ('person', 'organisation')", name="owner_kind"),
        CheckConstraint(
            "state IN ('not_started', 'submitted', 'in_review', 'approved', 'rejected', 'expired')", name="state"
        ),
        Index("uq_cases_open", "owner_kind", "owner_id", "level", unique=True, postgresql_where=text(_OPEN)),
        Index("ix_cases_owner_id_id", "owner_id", "id"),
        Index("ix_cases_waiting", "submitted_at", postgresql_where=text("state IN ('submitted', 'in_review')")),
        Index("ix_cases_fingerprint", "fingerprint", postgresql_where=text("fingerprint IS NOT NULL")),
        Index("ix_cases_expires_at", "expires_at", postgresql_where=text("state = 'approved'")),
        Index("ix_cases_erase_at", "erase_at", postgresql_where=text("erase_at IS NOT NULL")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID]
    level: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    details: Mapped[bytes | None] = mapped_column(LargeBinary)
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)
    findings: Mapped[list[JsonValue]] = mapped_column(JSONB)
    attempt: Mapped[int]
    submitted_by: Mapped[UUID | None]
    submitted_at: Mapped[datetime | None]
    taken_by: Mapped[UUID | None]
    taken_until: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]
    erase_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PaperRow(Base):
    """A paper of a case; one of each kind."""

    __tablename__ = "papers"
    __table_args__ = (UniqueConstraint("case_id", "kind"), {"schema": _SCHEMA})

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey(f"{_SCHEMA}.cases.id"))
    kind: Mapped[str] = mapped_column(Text)
    pages: Mapped[int]
    added_by: Mapped[UUID]
    added_at: Mapped[datetime]


class PageRow(Base):
    """A page of a paper, as a sealed JPEG."""

    __tablename__ = "pages"
    __table_args__ = (UniqueConstraint("paper_id", "number"), {"schema": _SCHEMA})

    id: Mapped[UUID] = mapped_column(primary_key=True)
    paper_id: Mapped[UUID] = mapped_column(ForeignKey(f"{_SCHEMA}.papers.id", ondelete="CASCADE"))
    number: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class DecisionRow(Base):
    """What somebody decided about a case, with reasons the owner is told. Written once, and kept."""

    __tablename__ = "decisions"
    __table_args__ = (
        UniqueConstraint("case_id", "attempt", "by", "decision"),
        CheckConstraint("decision IN ('approved', 'rejected', 'taken_back')", name="decision"),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey(f"{_SCHEMA}.cases.id"))
    attempt: Mapped[int]
    decision: Mapped[str] = mapped_column(Text)
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text))
    note: Mapped[str] = mapped_column(Text)
    by: Mapped[UUID]
    at: Mapped[datetime]
