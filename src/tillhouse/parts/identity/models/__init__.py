"""The tables of identity. Secrets are stored as digests or sealed; codes are not stored at all."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonObject
from tillhouse.parts.identity.models.organisations import InvitationRow as InvitationRow
from tillhouse.parts.identity.models.organisations import MembershipRow as MembershipRow
from tillhouse.parts.identity.models.organisations import OrganisationRow as OrganisationRow

_HERE = {"schema": "identity"}


class PersonRow(Base):
    """Whoever has confirmed one identifier. An erased one keeps its id and nothing else."""

    __tablename__ = "persons"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'erased')", name="status"),
        CheckConstraint("role IN ('user', 'staff', 'admin')", name="role"),
        _HERE,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    display_name: Mapped[str] = mapped_column(Text)
    locale: Mapped[str] = mapped_column(Text)
    zone: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    picture_id: Mapped[UUID | None]


class IdentifierRow(Base):
    """A confirmed address of a person. An unconfirmed one lives in its challenge and reserves nothing.

    `label` is what people see of one whose value says nothing to them: the e-mail address of a Google account.
    """

    __tablename__ = "identifiers"
    __table_args__ = (
        UniqueConstraint("kind", "value"),
        CheckConstraint("kind IN ('email', 'phone', 'google')", name="kind"),
        Index("ix_identifiers_person_id", "person_id"),
        _HERE,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("identity.persons.id"))
    kind: Mapped[str] = mapped_column(Text)
    value: Mapped[str] = mapped_column(Text)
    label: Mapped[str | None] = mapped_column(Text)
    confirmed_at: Mapped[datetime]


class CredentialRow(Base):
    """A password, as its Argon2id hash."""

    __tablename__ = "credentials"
    __table_args__ = (_HERE,)

    person_id: Mapped[UUID] = mapped_column(ForeignKey("identity.persons.id"), primary_key=True)
    password_hash: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime]


class ChallengeRow(Base):
    """A code that was asked for. `decoy`: asked for where there is nothing to give, so no code answers it."""

    __tablename__ = "challenges"
    __table_args__ = (
        CheckConstraint("purpose IN ('register', 'sign_in', 'reset', 'link', 'step_up')", name="purpose"),
        Index("ix_challenges_value", "value", "created_at"),
        Index("ix_challenges_created_at", "created_at"),
        _HERE,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    value: Mapped[str] = mapped_column(Text)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("identity.persons.id", ondelete="CASCADE"))
    session_id: Mapped[UUID | None]
    decoy: Mapped[bool]
    locale: Mapped[str] = mapped_column(Text)
    data: Mapped[JsonObject]
    tries: Mapped[int] = mapped_column(server_default="0")
    sends: Mapped[int] = mapped_column(server_default="0")
    sent_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class SessionRow(Base):
    """One sign-in. Refresh tokens of one session are a family: a stolen one ends it."""

    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("kind IN ('api', 'pages')", name="kind"),
        CheckConstraint("assurance IN (1, 2)", name="assurance"),
        Index("ix_sessions_person_id", "person_id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_sessions_expires_at", "expires_at"),
        UniqueConstraint("cookie_hash"),
        _HERE,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("identity.persons.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    cookie_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    assurance: Mapped[int]
    fresh_until: Mapped[datetime | None]
    device: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(Text)


class RefreshTokenRow(Base):
    """A refresh token, good once; for a moment more it leads a second tab to the same successor."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (UniqueConstraint("token_hash"), Index("ix_refresh_tokens_session_id", "session_id"), _HERE)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("identity.sessions.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class AttemptRow(Base):
    """Wrong guesses in a row for an identifier or from an address, under a keyed digest of it."""

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_last_at", "last_at"), _HERE)

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime]
    locked_until: Mapped[datetime | None]


class TotpRow(Base):
    """The second factor of a person (RFC 6238). `counter` is the last step used: a code works once."""

    __tablename__ = "totp"
    __table_args__ = (_HERE,)

    person_id: Mapped[UUID] = mapped_column(ForeignKey("identity.persons.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    counter: Mapped[int] = mapped_column(server_default="0")
    confirmed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class RecoveryCodeRow(Base):
    """A code that stands in for a lost second factor, once."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index("ix_recovery_codes_person_id", "person_id"), _HERE)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("identity.persons.id", ondelete="CASCADE"))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    used_at: Mapped[datetime | None]


class ApiKeyRow(Base):
    """A key of a machine: only its digest and its first characters are kept."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("key_hash"), _HERE)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    hint: Mapped[str] = mapped_column(Text)
    key_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("identity.persons.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuditRow(Base):
    """Something a member of staff or a machine did. Written once; the app role can neither change nor delete it."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_actor_id", "actor_id", "at"), Index("ix_audit_subject", "subject", "at"), _HERE)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    actor_kind: Mapped[str] = mapped_column(Text)
    actor_id: Mapped[UUID | None]
    action: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    details: Mapped[JsonObject]
    request_id: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime]


class SpentTicketRow(Base):
    """A ticket that opened a stream: it opens none again. Forgotten once it would be too old anyway."""

    __tablename__ = "spent_tickets"
    __table_args__ = (_HERE,)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
