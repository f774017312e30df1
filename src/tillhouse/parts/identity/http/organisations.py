"""JSON endpoints of organisations: `/organisations`, `/invitations`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import Page
from tillhouse.parts.identity import schemas
from tillhouse.parts.identity.domain.organisations import MANAGERS
from tillhouse.parts.identity.service import inviting, organisations

Me = Annotated[Principal, Depends(require("identity.me"))]

router = APIRouter()


@router.post("/organisations", status_code=201, dependencies=[Depends(rate_limit("10/hour"))])
async def create_organisation(session: Write, me: Me, body: schemas.OrganisationIn) -> schemas.OrganisationOut:
    """Make an organisation, and own it."""
    return _organisation(await organisations.create(session, me, body.name, body.country, body.slug))


@router.get("/organisations")
async def list_organisations(session: Read, me: Me) -> Page[schemas.OrganisationOut]:
    """The organisations that the caller belongs to."""
    found = await organisations.organisations_of(session, me.person_id)
    return Page(items=[_organisation(one) for one in found], next_cursor=None)


@router.get("/organisations/{organisation_id}")
async def show_organisation(session: Read, me: Me, organisation_id: UUID) -> schemas.OrganisationOut:
    """An organisation that the caller belongs to."""
    return _organisation(await organisations.require_member(session, organisation_id, me.person_id))


@router.patch("/organisations/{organisation_id}", dependencies=[Depends(rate_limit("30/minute"))])
async def rename_organisation(
    session: Write, me: Me, organisation_id: UUID, body: schemas.OrganisationNameIn
) -> schemas.OrganisationOut:
    """Change what it is called. For owners and admins."""
    return _organisation(await organisations.rename(session, me, organisation_id, body.name))


@router.delete("/organisations/{organisation_id}", status_code=204, dependencies=[Depends(rate_limit("10/minute"))])
async def close_organisation(session: Write, me: Me, organisation_id: UUID) -> None:
    """Close it for good. For owners, after a step-up; refused with reasons while something is open."""
    await organisations.close(session, me, organisation_id)


@router.post(
    "/organisations/{organisation_id}/transfer", status_code=204, dependencies=[Depends(rate_limit("10/minute"))]
)
async def transfer_organisation(session: Write, me: Me, organisation_id: UUID, body: schemas.TransferIn) -> None:
    """Hand one's ownership to another member. For owners, after a step-up."""
    await organisations.transfer(session, me, organisation_id, body.person_id)


@router.get("/organisations/{organisation_id}/members")
async def list_members(session: Read, me: Me, organisation_id: UUID) -> Page[schemas.MemberOut]:
    """Everyone in it, the oldest first."""
    await organisations.require_member(session, organisation_id, me.person_id)
    found = await organisations.members(session, organisation_id)
    return Page(items=[_member(one) for one in found], next_cursor=None)


@router.patch("/organisations/{organisation_id}/members/{person_id}", dependencies=[Depends(rate_limit("30/minute"))])
async def change_member(
    session: Write, me: Me, organisation_id: UUID, person_id: UUID, body: schemas.MemberRoleIn
) -> schemas.MemberOut:
    """Give a member another role. For owners; admins do so below admins."""
    return _member(await organisations.change_role(session, me, organisation_id, person_id, body.role))


@router.delete(
    "/organisations/{organisation_id}/members/{person_id}",
    status_code=204,
    dependencies=[Depends(rate_limit("30/minute"))],
)
async def remove_member(session: Write, me: Me, organisation_id: UUID, person_id: UUID) -> None:
    """Take a member out, or leave oneself."""
    await organisations.remove(session, me, organisation_id, person_id)


@router.get("/organisations/{organisation_id}/invitations")
async def list_invitations(session: Read, me: Me, organisation_id: UUID) -> Page[schemas.InvitationOut]:
    """Invitations that wait for an answer. For owners and admins."""
    await organisations.require_member(session, organisation_id, me.person_id, *MANAGERS)
    found = await inviting.invitations(session, organisation_id)
    return Page(items=[_invitation(one) for one in found], next_cursor=None)


@router.post(
    "/organisations/{organisation_id}/invitations", status_code=201, dependencies=[Depends(rate_limit("30/hour"))]
)
async def invite(session: Write, me: Me, organisation_id: UUID, body: schemas.InviteIn) -> schemas.InvitationOut:
    """Ask someone to join by e-mail. The answer is the same whether or not the address has an account."""
    return _invitation(await inviting.invite(session, me, organisation_id, body.email, body.role))


@router.delete(
    "/organisations/{organisation_id}/invitations/{invitation_id}",
    status_code=204,
    dependencies=[Depends(rate_limit("30/minute"))],
)
async def withdraw_invitation(session: Write, me: Me, organisation_id: UUID, invitation_id: UUID) -> None:
    """Take an invitation back."""
    await inviting.withdraw(session, me, organisation_id, invitation_id)


@router.get("/invitations")
async def my_invitations(session: Read, me: Me) -> Page[schemas.InvitationOut]:
    """Invitations to a confirmed e-mail address of the caller."""
    found = await inviting.invitations_for(session, me.person_id)
    return Page(items=[_invitation(one) for one in found], next_cursor=None)


@router.post("/invitations/{invitation_id}/accept", dependencies=[Depends(rate_limit("20/minute"))])
async def accept_invitation(
    session: Write, me: Me, invitation_id: UUID, body: schemas.InvitationCodeIn
) -> schemas.OrganisationOut:
    """Join: with the code of the link, or without where the invitation went to an address of one's own."""
    return _organisation(await inviting.accept(session, me, invitation_id, body.code))


@router.post("/invitations/{invitation_id}/decline", status_code=204, dependencies=[Depends(rate_limit("20/minute"))])
async def decline_invitation(session: Write, me: Me, invitation_id: UUID, body: schemas.InvitationCodeIn) -> None:
    """Say no."""
    await inviting.decline(session, me, invitation_id, body.code)


def _organisation(found: organisations.Membership) -> schemas.OrganisationOut:
    return schemas.OrganisationOut(
        id=found.organisation_id,
        name=found.name,
        slug=found.slug,
        country=found.country,
        role=found.role,
        joined_at=found.joined_at,
    )


def _member(found: organisations.Member) -> schemas.MemberOut:
    return schemas.MemberOut.model_validate(found, from_attributes=True)


def _invitation(found: inviting.Invitation) -> schemas.InvitationOut:
    return schemas.InvitationOut.model_validate(found, from_attributes=True)
