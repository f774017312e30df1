"""Who acts for an owner, who reads what it has, and who is told of it: a person, or an organisation by its roles."""

from collections.abc import Sequence
from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.house import House
from tillhouse.parts.billing.domain import Owner, organisation, person
from tillhouse.parts.identity import api as identity


async def readable(session: ReadSession, me: Principal, organisation_id: UUID | None) -> Owner:
    """Whose plans and points are asked for: the caller's own, or those of an organisation whose money they may read.

    Raises `NotFound` for whoever does not belong to it, `Forbidden` for a member in another role.
    """
    if organisation_id is None:
        return person(me.person_id)
    await identity.require_member(session, organisation_id, me.person_id, *identity.MONEY_READERS)
    return organisation(organisation_id)


async def usable(session: Session, me: Principal, organisation_id: UUID | None) -> Owner:
    """`readable`, for whoever begins, pays and ends something: of an organisation, who may move its money. It is not
    closed, nor are they taken out of it, before this transaction ends.
    """
    if organisation_id is None:
        return person(me.person_id)
    await identity.hold_member(session, organisation_id, me.person_id, *identity.MONEY_MOVERS)
    return organisation(organisation_id)


async def usable_now(house: House, me: Principal, organisation_id: UUID | None) -> Owner:
    """`usable`, for a flow that asks a gateway next: outside of any transaction."""
    async with house.database.transaction() as session:
        return await usable(session, me, organisation_id)


async def tell(session: Session, owner: Owner, template: str, data: JsonObject) -> None:
    """Tell a person, or everyone who reads an organisation's money, in which case the message says whose it is. A house
    without a part that sends messages sends none.
    """
    if not house_of(session).provided(identity.MessageSender):
        return
    of_organisation = owner.kind == "organisation"
    name = (await identity.organisation_names(session, [owner.id])).get(owner.id, "") if of_organisation else ""
    for person_id in await _people(session, owner):
        await identity.notify(session, person_id, template, {"organisation": name, **data})


async def names(session: ReadSession, owners: Sequence[Owner]) -> dict[Owner, str]:
    """What people and organisations are called, for staff; who was erased is left out."""
    people = await identity.names(session, [one.id for one in owners if one.kind == "person"])
    firms = await identity.organisation_names(session, [one.id for one in owners if one.kind == "organisation"])
    named = {**people, **firms}
    return {one: named[one.id] for one in owners if one.id in named}


async def _people(session: ReadSession, owner: Owner) -> list[UUID]:
    if owner.kind == "person":
        return [owner.id]
    found = await identity.members(session, owner.id)
    return [one.person_id for one in found if one.role in identity.MONEY_READERS]
