"""Organisations, who belongs to them, and who was asked to."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base

_HERE = {"schema": "identity"}
_ROLES = "role IN ('owner', 'admin', 'accountant', 'member')"


class OrganisationRow(Base):
    """A company or a group that can own a wallet, an invoice, a plan. A closed one keeps its id for the books."""

    __tablename__ = "organisations"
    __table_args__ = (
        UniqueConstraint("slug"),
        CheckConstraint("status IN ('active', 'closed')", name="status"),
        CheckConstraint("country ~ '^[A-Z]{2}$'", name="country"),
        _HERE,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    slug: Mapped[str] = mapped_column(Text)
    country: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class MembershipRow(Base):
    """A person in an organisation."""

    __tablename__ = "memberships"
    __table_args__ = (
        CheckConstraint(_ROLES, name="role"),
        Index("ix_memberships_person_id", "person_id"),
        _HERE,
    )

    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("identity.organisations.id", ondelete="CASCADE"), primary_key=True
    )
    person_id: Mapped[UUID] = mapped_column(ForeignKey("identity.persons.id"), primary_key=True)
    role: Mapped[str] = mapped_column(Text)
    joined_at: Mapped[datetime]


class InvitationRow(Base):
    """Someone was asked by e-mail to join. Its code is stored nowhere: it follows from a key of ours and the id."""

    __tablename__ = "invitations"
    __table_args__ = (
        CheckConstraint(_ROLES, name="role"),
        CheckConstraint("state IN ('open', 'accepted', 'declined', 'withdrawn')", name="state"),
        Index("uq_invitations_open", "organisation_id", "email", unique=True, postgresql_where=text("state = 'open'")),
        Index("ix_invitations_email", "email", postgresql_where=text("state = 'open'")),
        _HERE,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("identity.organisations.id", ondelete="CASCADE"))
    email: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    locale: Mapped[str] = mapped_column(Text)
    invited_by: Mapped[UUID | None] = mapped_column(ForeignKey("identity.persons.id"))
    sent_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
