"""All SQL of identity."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import get_args
from uuid import UUID

from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel.db import Database, ReadSession, Session
from tillhouse.parts.identity.domain import EVERYTHING, AddressKind, AuditFilter, Identifier
from tillhouse.parts.identity.models import (
    ApiKeyRow,
    AttemptRow,
    AuditRow,
    ChallengeRow,
    CredentialRow,
    IdentifierRow,
    PersonRow,
    RecoveryCodeRow,
    RefreshTokenRow,
    SessionRow,
    SpentTicketRow,
    TotpRow,
)

# Persons and their identifiers


async def person(session: ReadSession, person_id: UUID) -> PersonRow | None:
    """A person by id."""
    return await session.get(PersonRow, person_id)


async def lock_person(session: Session, person_id: UUID) -> PersonRow | None:
    """A person by id, locked."""
    statement = select(PersonRow).where(PersonRow.id == person_id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def person_by_identifier(session: ReadSession, identifier: Identifier) -> PersonRow | None:
    """Whoever has confirmed this identifier."""
    statement = (
        select(PersonRow)
        .join(IdentifierRow, IdentifierRow.person_id == PersonRow.id)
        .where(IdentifierRow.kind == identifier.kind, IdentifierRow.value == identifier.value)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def people_by_phone(session: ReadSession, phones: Collection[str]) -> Mapping[str, PersonRow]:
    """Whoever has confirmed these numbers, by number."""
    statement = (
        select(PersonRow, IdentifierRow.value)
        .join(IdentifierRow, IdentifierRow.person_id == PersonRow.id)
        .where(IdentifierRow.kind == "phone", IdentifierRow.value.in_(phones))
    )
    return {phone: row for row, phone in await session.execute(statement)}


async def people_at(session: ReadSession, domain: str) -> Sequence[tuple[PersonRow, str]]:
    """Persons with an e-mail address that ends in `domain`, and that address, the oldest first."""
    statement = (
        select(PersonRow, IdentifierRow.value)
        .join(IdentifierRow, IdentifierRow.person_id == PersonRow.id)
        .where(IdentifierRow.value.endswith(domain, autoescape=True))
        .order_by(PersonRow.id)
    )
    return [(row[0], row[1]) for row in await session.execute(statement)]


async def person_with_password(
    session: ReadSession, identifier: Identifier
) -> tuple[PersonRow | None, CredentialRow | None]:
    """The person behind an identifier and their password, in one query whoever is asked for."""
    statement = (
        select(PersonRow, CredentialRow)
        .join(IdentifierRow, IdentifierRow.person_id == PersonRow.id)
        .outerjoin(CredentialRow, CredentialRow.person_id == PersonRow.id)
        .where(IdentifierRow.kind == identifier.kind, IdentifierRow.value == identifier.value)
    )
    found = (await session.execute(statement)).one_or_none()
    return (found[0], found[1]) if found else (None, None)


async def identifiers(session: ReadSession, person_id: UUID) -> Sequence[IdentifierRow]:
    """Everything that a person is known by, the oldest first."""
    statement = select(IdentifierRow).where(IdentifierRow.person_id == person_id)
    return (await session.execute(statement.order_by(IdentifierRow.confirmed_at, IdentifierRow.id))).scalars().all()


async def addresses(session: ReadSession, person_id: UUID) -> Sequence[IdentifierRow]:
    """Those at which a message arrives, the oldest first: it is where messages go."""
    return [row for row in await identifiers(session, person_id) if row.kind in get_args(AddressKind)]


async def claim_identifier(session: Session, row: IdentifierRow) -> bool:
    """Add a confirmed identifier; False when another person has it."""
    statement = (
        insert(IdentifierRow)
        .values(
            id=row.id,
            person_id=row.person_id,
            kind=row.kind,
            value=row.value,
            label=row.label,
            confirmed_at=row.confirmed_at,
        )
        .on_conflict_do_nothing()
        .returning(IdentifierRow.id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def delete_identifier(session: Session, identifier_id: UUID) -> None:
    """Remove one identifier."""
    await session.execute(delete(IdentifierRow).where(IdentifierRow.id == identifier_id))


async def delete_person_data(session: Session, person_id: UUID, addresses: Sequence[str]) -> None:
    """Everything that hangs on a person, except the person's own row and what the audit log says of them."""
    for table in (IdentifierRow, CredentialRow, SessionRow, TotpRow, RecoveryCodeRow, ChallengeRow):
        await session.execute(delete(table).where(table.person_id == person_id))
    await session.execute(delete(ChallengeRow).where(ChallengeRow.value.in_(addresses)))


async def lock_value(session: Session, identifier: Identifier) -> None:
    """Let transactions that decide about one identifier take turns, whether or not a row exists for it."""
    text = f"identity:{identifier.kind}:{identifier.value}"
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(text, 0))))


# Passwords


async def credential(session: ReadSession, person_id: UUID) -> CredentialRow | None:
    """The password of a person."""
    return await session.get(CredentialRow, person_id)


async def put_password(session: Session, person_id: UUID, password_hash: str, at: datetime) -> None:
    """Set or replace a password."""
    values = {"password_hash": password_hash, "changed_at": at}
    statement = insert(CredentialRow).values(person_id=person_id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["person_id"], set_=values))


# Challenges


async def challenge(session: ReadSession, challenge_id: UUID) -> ChallengeRow | None:
    """A challenge by id."""
    return await session.get(ChallengeRow, challenge_id)


async def challenges_since(
    session: Session, value: str, purposes: Sequence[str], since: datetime
) -> Sequence[ChallengeRow]:
    """Unused challenges of an identifier, newest first, locked: two guesses at once are counted as two."""
    statement = (
        select(ChallengeRow)
        .where(
            ChallengeRow.value == value,
            ChallengeRow.purpose.in_(purposes),
            ChallengeRow.used_at.is_(None),
            ChallengeRow.created_at >= since,
        )
        .order_by(ChallengeRow.id.desc())
        .with_for_update()
    )
    return (await session.execute(statement)).scalars().all()


async def use_up(session: Session, value: str, purposes: Sequence[str], at: datetime) -> None:
    """Make every open challenge of an identifier worthless: one has been answered."""
    await session.execute(
        update(ChallengeRow)
        .where(ChallengeRow.value == value, ChallengeRow.purpose.in_(purposes), ChallengeRow.used_at.is_(None))
        .values(used_at=at, data={})
    )


# Sessions and refresh tokens


async def session_with_person(session: ReadSession, session_id: UUID) -> tuple[SessionRow, PersonRow] | None:
    """A session and whose it is."""
    statement = (
        select(SessionRow, PersonRow)
        .join(PersonRow, PersonRow.id == SessionRow.person_id)
        .where(SessionRow.id == session_id)
    )
    found = (await session.execute(statement)).one_or_none()
    return (found[0], found[1]) if found else None


async def session_of_cookie(session: ReadSession, cookie_hash: bytes) -> tuple[SessionRow, PersonRow] | None:
    """The session behind a cookie and whose it is."""
    statement = (
        select(SessionRow, PersonRow)
        .join(PersonRow, PersonRow.id == SessionRow.person_id)
        .where(SessionRow.cookie_hash == cookie_hash)
    )
    found = (await session.execute(statement)).one_or_none()
    return (found[0], found[1]) if found else None


async def lock_session(session: Session, session_id: UUID) -> SessionRow | None:
    """A session by id, locked."""
    statement = select(SessionRow).where(SessionRow.id == session_id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def session_row(session: ReadSession, session_id: UUID) -> SessionRow | None:
    """A session by id."""
    return await session.get(SessionRow, session_id)


async def prolong_session(session: Session, session_id: UUID, at: datetime, until: datetime) -> None:
    """Note that an open session was used, and until when it lasts now."""
    statement = update(SessionRow).where(SessionRow.id == session_id, SessionRow.ended_at.is_(None))
    await session.execute(statement.values(used_at=at, expires_at=until))


async def open_sessions(session: ReadSession, person_id: UUID, at: datetime) -> Sequence[SessionRow]:
    """Sessions that are neither ended nor over, newest first."""
    statement = select(SessionRow).where(
        SessionRow.person_id == person_id, SessionRow.ended_at.is_(None), SessionRow.expires_at > at
    )
    return (await session.execute(statement.order_by(SessionRow.id.desc()))).scalars().all()


async def end_sessions(
    session: Session, person_id: UUID, at: datetime, reason: str, *, only: UUID | None = None, keep: UUID | None = None
) -> int:
    """End the open sessions of a person, one of them (`only`) or all but one (`keep`). Returns how many ended."""
    statement = update(SessionRow).where(SessionRow.person_id == person_id, SessionRow.ended_at.is_(None))
    if only:
        statement = statement.where(SessionRow.id == only)
    if keep:
        statement = statement.where(SessionRow.id != keep)
    ended = await session.execute(statement.values(ended_at=at, end_reason=reason).returning(SessionRow.id))
    return len(ended.all())


async def refresh_token(session: ReadSession, token_hash: bytes) -> RefreshTokenRow | None:
    """A refresh token by its digest; whoever holds its session's lock reads what stays so."""
    statement = select(RefreshTokenRow).where(RefreshTokenRow.token_hash == token_hash)
    return (await session.execute(statement)).scalar_one_or_none()


async def lock_refresh_token(session: Session, token_hash: bytes) -> RefreshTokenRow | None:
    """A refresh token by its digest, locked."""
    statement = select(RefreshTokenRow).where(RefreshTokenRow.token_hash == token_hash).with_for_update()
    return (await session.execute(statement)).scalar_one_or_none()


async def spend_ticket(database: Database, number: UUID, until: datetime) -> bool:
    """Note that a ticket was used, in a transaction of its own; False when it was before."""
    statement = """INSERT INTO identity.spent_tickets (id, expires_at) VALUES ($1, $2)
                   ON CONFLICT ON CONSTRAINT pk_spent_tickets DO NOTHING RETURNING id"""
    return bool(await database.call(statement, number, until))


async def forget_tickets(session: Session, at: datetime) -> None:
    """Drop the tickets that are too old to be used again."""
    await session.execute(delete(SpentTicketRow).where(SpentTicketRow.expires_at < at))


# Attempts


async def count_attempt(session: Session, key: bytes, at: datetime, forget_after: timedelta) -> AttemptRow:
    """Count a guess before it is judged, so that guesses made at once cannot pass together. Locks the counter."""
    statement = (
        insert(AttemptRow)
        .values(key=key, failures=1, last_at=at)
        .on_conflict_do_update(
            index_elements=["key"],
            set_={
                "failures": case((AttemptRow.last_at < at - forget_after, 1), else_=AttemptRow.failures + 1),
                "last_at": at,
            },
        )
        .returning(AttemptRow)
    )
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one()


async def lock_attempt(session: Session, key: bytes) -> AttemptRow | None:
    """A counter of wrong guesses, locked."""
    statement = select(AttemptRow).where(AttemptRow.key == key).with_for_update()
    return (await session.execute(statement)).scalar_one_or_none()


async def clear_attempts(session: Session, keys: Sequence[bytes]) -> None:
    """Forget counters."""
    await session.execute(delete(AttemptRow).where(AttemptRow.key.in_(keys)))


# Second factor


async def totp(session: ReadSession, person_id: UUID) -> TotpRow | None:
    """The second factor of a person."""
    return await session.get(TotpRow, person_id)


async def lock_totp(session: Session, person_id: UUID) -> TotpRow | None:
    """The second factor of a person, locked, and as it is since: which code was the last may have been read before."""
    statement = select(TotpRow).where(TotpRow.person_id == person_id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def delete_totp(session: Session, person_id: UUID) -> None:
    """Remove a second factor and its recovery codes."""
    await session.execute(delete(TotpRow).where(TotpRow.person_id == person_id))
    await session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.person_id == person_id))


async def use_recovery_code(session: Session, person_id: UUID, code_hash: bytes, at: datetime) -> bool:
    """Use a recovery code up; False when it is unknown or was used."""
    statement = (
        update(RecoveryCodeRow)
        .where(
            RecoveryCodeRow.person_id == person_id,
            RecoveryCodeRow.code_hash == code_hash,
            RecoveryCodeRow.used_at.is_(None),
        )
        .values(used_at=at)
        .returning(RecoveryCodeRow.id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


# Keys of machines


async def api_key_by_hash(session: ReadSession, key_hash: bytes) -> ApiKeyRow | None:
    """A key by its digest."""
    return (await session.execute(select(ApiKeyRow).where(ApiKeyRow.key_hash == key_hash))).scalar_one_or_none()


async def api_keys_by_hash(database: Database, hashes: Sequence[bytes]) -> Mapping[bytes, ApiKeyRow]:
    """Keys by their digests, in one round trip of their own; those that do not exist are left out."""
    rows = await database.call(_KEYS_BY_HASH, list(hashes))
    found = [ApiKeyRow(**dict(zip(_KEY_COLUMNS, row, strict=True))) for row in rows]
    return {row.key_hash: row for row in found}


_KEY_COLUMNS = tuple(ApiKeyRow.__table__.columns.keys())
_KEYS_BY_HASH = f"SELECT {', '.join(_KEY_COLUMNS)} FROM identity.api_keys WHERE key_hash = ANY ($1)"  # noqa: S608


async def api_key(session: ReadSession, key_id: UUID) -> ApiKeyRow | None:
    """A key by id."""
    return (await session.execute(select(ApiKeyRow).where(ApiKeyRow.id == key_id))).scalar_one_or_none()


async def api_keys(session: ReadSession) -> Sequence[ApiKeyRow]:
    """Every key, newest first."""
    return (await session.execute(select(ApiKeyRow).order_by(ApiKeyRow.id.desc()))).scalars().all()


async def lock_api_key(session: Session, key_id: UUID) -> ApiKeyRow | None:
    """A key by id, locked."""
    statement = select(ApiKeyRow).where(ApiKeyRow.id == key_id).with_for_update()
    return (await session.execute(statement)).scalar_one_or_none()


async def touch_api_key(session: Session, key_id: UUID, at: datetime) -> None:
    """Note that a key was used."""
    await session.execute(update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(used_at=at))


# Audit


async def audit_entries(
    session: ReadSession, limit: int, before: UUID | None = None, wanted: AuditFilter = EVERYTHING
) -> Sequence[AuditRow]:
    """The audit log from its end, before one entry, of what is `wanted`."""
    statement = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    if before:
        statement = statement.where(AuditRow.id < before)
    if wanted.actor_id:
        statement = statement.where(AuditRow.actor_id == wanted.actor_id)
    if wanted.action:
        statement = statement.where(AuditRow.action.startswith(wanted.action, autoescape=True))
    if wanted.since:
        statement = statement.where(AuditRow.at >= wanted.since)
    if wanted.until:
        statement = statement.where(AuditRow.at < wanted.until)
    return (await session.execute(statement)).scalars().all()


async def names(session: ReadSession, ids: Collection[UUID]) -> dict[UUID, str]:
    """What people, and machines' keys, of these ids are called; the erased have no name."""
    people = select(PersonRow.id, PersonRow.display_name).where(PersonRow.id.in_(ids))
    machines = select(ApiKeyRow.id, ApiKeyRow.name).where(ApiKeyRow.id.in_(ids))
    return {found: name for found, name in await session.execute(people.union_all(machines)) if name}


# Forgetting


async def forget(session: Session, challenges_before: datetime, sessions_before: datetime) -> None:
    """Delete what nothing can need any more: old challenges and counters, sessions long over."""
    await session.execute(delete(ChallengeRow).where(ChallengeRow.created_at < challenges_before))
    await session.execute(delete(AttemptRow).where(AttemptRow.last_at < challenges_before))
    over = or_(SessionRow.expires_at < sessions_before, SessionRow.ended_at < sessions_before)
    await session.execute(delete(SessionRow).where(over))
