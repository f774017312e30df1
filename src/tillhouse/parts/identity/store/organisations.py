"""SQL of organisations. Whoever changes who belongs to one holds the lock of its row."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.identity.models import IdentifierRow, PersonRow
from tillhouse.parts.identity.models.organisations import InvitationRow, MembershipRow, OrganisationRow


async def organisation(session: ReadSession, organisation_id: UUID) -> OrganisationRow | None:
    """An organisation by id, closed or not."""
    return await session.get(OrganisationRow, organisation_id)


async def lock_organisation(session: Session, organisation_id: UUID) -> OrganisationRow | None:
    """An organisation that is not closed, locked: its members change one act at a time."""
    statement = select(OrganisationRow).where(OrganisationRow.id == organisation_id, OrganisationRow.status == "active")
    locked = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    return (await session.execute(locked)).scalar_one_or_none()


async def lock_organisations_of(session: Session, person_id: UUID) -> None:
    """Every organisation that a person belongs to, locked as `lock_organisation` does, in one order for all."""
    theirs = select(MembershipRow.organisation_id).where(MembershipRow.person_id == person_id)
    statement = select(OrganisationRow.id).where(OrganisationRow.id.in_(theirs)).order_by(OrganisationRow.id)
    await session.execute(statement.with_for_update(key_share=True))


async def hold_organisation(session: Session, organisation_id: UUID) -> None:
    """Let nobody change who belongs to an organisation, or close it, before this transaction ends; others may hold it
    too.
    """
    await session.execute(
        select(OrganisationRow.id).where(OrganisationRow.id == organisation_id).with_for_update(read=True)
    )


async def organisation_names(session: ReadSession, ids: Collection[UUID]) -> dict[UUID, str]:
    """What organisations of these ids are called, closed ones too."""
    statement = select(OrganisationRow.id, OrganisationRow.name).where(OrganisationRow.id.in_(ids))
    return {row[0]: row[1] for row in await session.execute(statement)}


async def organisation_called(session: ReadSession, slug: str) -> UUID | None:
    """The organisation that has a short name, closed or not."""
    statement = select(OrganisationRow.id).where(OrganisationRow.slug == slug)
    return (await session.execute(statement)).scalar_one_or_none()


async def insert_organisation(session: Session, row: OrganisationRow) -> bool:
    """Insert an organisation; False when its short name is taken."""
    values = {column.key: getattr(row, column.key) for column in OrganisationRow.__table__.columns}
    statement = insert(OrganisationRow).values(values).on_conflict_do_nothing(index_elements=["slug"])
    return (await session.execute(statement.returning(OrganisationRow.id))).scalar_one_or_none() is not None


async def membership(
    session: ReadSession, organisation_id: UUID, person_id: UUID
) -> tuple[OrganisationRow, MembershipRow] | None:
    """A person's place in an organisation that is not closed; None when there is none."""
    statement = (
        select(OrganisationRow, MembershipRow)
        .join(MembershipRow, MembershipRow.organisation_id == OrganisationRow.id)
        .where(
            OrganisationRow.id == organisation_id,
            OrganisationRow.status == "active",
            MembershipRow.person_id == person_id,
        )
        .execution_options(populate_existing=True)
    )
    found = (await session.execute(statement)).one_or_none()
    return (found[0], found[1]) if found else None


async def memberships_of(session: ReadSession, person_id: UUID) -> Sequence[tuple[OrganisationRow, MembershipRow]]:
    """Every organisation that a person belongs to, the oldest membership first."""
    statement = (
        select(OrganisationRow, MembershipRow)
        .join(MembershipRow, MembershipRow.organisation_id == OrganisationRow.id)
        .where(MembershipRow.person_id == person_id, OrganisationRow.status == "active")
        .order_by(MembershipRow.joined_at, OrganisationRow.id)
    )
    return [(row[0], row[1]) for row in await session.execute(statement)]


async def members(session: ReadSession, organisation_id: UUID) -> Sequence[tuple[MembershipRow, str]]:
    """Everyone in an organisation and what they are called, the oldest first."""
    statement = (
        select(MembershipRow, PersonRow.display_name)
        .join(PersonRow, PersonRow.id == MembershipRow.person_id)
        .where(MembershipRow.organisation_id == organisation_id)
        .order_by(MembershipRow.joined_at, MembershipRow.person_id)
    )
    return [(row[0], row[1]) for row in await session.execute(statement)]


async def count_members(session: ReadSession, organisation_id: UUID, role: str | None = None) -> int:
    """How many belong to it, in one role or in any."""
    statement = select(func.count()).where(MembershipRow.organisation_id == organisation_id)
    if role:
        statement = statement.where(MembershipRow.role == role)
    return int((await session.execute(statement)).scalar_one())


async def owned_alone(session: ReadSession, person_id: UUID) -> Sequence[OrganisationRow]:
    """Organisations of which this person is the only owner."""
    other = aliased(MembershipRow)
    others = (
        select(other.person_id)
        .where(other.organisation_id == OrganisationRow.id, other.role == "owner", other.person_id != person_id)
        .exists()
    )
    statement = (
        select(OrganisationRow)
        .join(MembershipRow, MembershipRow.organisation_id == OrganisationRow.id)
        .where(MembershipRow.person_id == person_id, MembershipRow.role == "owner", OrganisationRow.status == "active")
        .where(~others)
        .order_by(OrganisationRow.id)
    )
    return (await session.scalars(statement)).all()


async def remove_member(session: Session, organisation_id: UUID, person_id: UUID) -> None:
    """Take a person out."""
    await session.execute(
        delete(MembershipRow).where(
            MembershipRow.organisation_id == organisation_id, MembershipRow.person_id == person_id
        )
    )


async def remove_everyone(session: Session, organisation_id: UUID, at: datetime) -> None:
    """Take everyone out, and withdraw the invitations that wait."""
    await session.execute(delete(MembershipRow).where(MembershipRow.organisation_id == organisation_id))
    await session.execute(
        update(InvitationRow)
        .where(InvitationRow.organisation_id == organisation_id, InvitationRow.state == "open")
        .values(state="withdrawn", email="", answered_at=at)
    )


async def forget_person(session: Session, person_id: UUID, addresses: Sequence[str]) -> None:
    """A person is erased: their memberships, and invitations to their addresses. What they sent is nobody's."""
    await session.execute(delete(MembershipRow).where(MembershipRow.person_id == person_id))
    await session.execute(delete(InvitationRow).where(InvitationRow.email.in_(addresses)))
    await session.execute(update(InvitationRow).where(InvitationRow.invited_by == person_id).values(invited_by=None))


# Invitations


async def invitation(session: ReadSession, invitation_id: UUID) -> InvitationRow | None:
    """An invitation by id."""
    return await session.get(InvitationRow, invitation_id, populate_existing=True)


async def lock_invitation(session: Session, invitation_id: UUID) -> InvitationRow | None:
    """An invitation by id, locked."""
    statement = select(InvitationRow).where(InvitationRow.id == invitation_id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def open_invitation(session: ReadSession, organisation_id: UUID, email: str) -> InvitationRow | None:
    """The invitation of this address that waits, whether or not its time is over."""
    statement = select(InvitationRow).where(
        InvitationRow.organisation_id == organisation_id, InvitationRow.email == email, InvitationRow.state == "open"
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def invitations_of(session: ReadSession, organisation_id: UUID, at: datetime) -> Sequence[InvitationRow]:
    """Invitations of an organisation that can still be accepted, the newest first."""
    statement = select(InvitationRow).where(
        InvitationRow.organisation_id == organisation_id, InvitationRow.state == "open", InvitationRow.expires_at > at
    )
    return (await session.scalars(statement.order_by(InvitationRow.id.desc()))).all()


async def invitations_for(
    session: ReadSession, person_id: UUID, at: datetime
) -> Sequence[tuple[InvitationRow, OrganisationRow]]:
    """Invitations to an e-mail address that this person has confirmed, which can still be accepted."""
    mine = select(IdentifierRow.value).where(IdentifierRow.person_id == person_id, IdentifierRow.kind == "email")
    statement = (
        select(InvitationRow, OrganisationRow)
        .join(OrganisationRow, OrganisationRow.id == InvitationRow.organisation_id)
        .where(InvitationRow.email.in_(mine), InvitationRow.state == "open", InvitationRow.expires_at > at)
        .order_by(InvitationRow.id)
    )
    return [(row[0], row[1]) for row in await session.execute(statement)]


async def forget_invitations(session: Session, before: datetime) -> None:
    """Delete invitations that were answered, or whose time was over, before then: they hold addresses."""
    over = or_(InvitationRow.answered_at < before, InvitationRow.expires_at < before)
    await session.execute(delete(InvitationRow).where(over))
