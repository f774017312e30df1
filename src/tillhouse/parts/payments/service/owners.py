"""Whose money a person may pay out, and whose payments they may see: their own, and their organisations'."""

from dataclasses import dataclass
from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonValue, ReadSession, Session, house_of
from tillhouse.kernel.money import Money
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments.models import PayeeRow, PayoutRow
from tillhouse.parts.wallets.api import Leaving, OwnerKind, PayoutRule

ROOM = "/payments/organisations"  # with an organisation's id: the page of its money


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose wallet it is, and what they are called: the name that banks are asked about."""

    kind: OwnerKind
    id: UUID
    name: str

    @property
    def key(self) -> tuple[str, UUID]:
        return self.kind, self.id


async def moves_money(session: Session, me: Principal, organisation_id: UUID | None) -> Owner:
    """Whose payees the caller may change: their own, or those of an organisation that they are owner or admin of.

    Their place in it stays what it is until this transaction ends. Raises `NotFound` for whoever does not belong to it,
    `Forbidden` for a member in another role.
    """
    if organisation_id is None:
        return Owner("person", me.person_id, me.display_name)
    place = await identity.hold_member(session, organisation_id, me.person_id, *identity.MONEY_MOVERS)
    return Owner("organisation", organisation_id, place.name)


async def pays_out(session: Session, me: Principal, organisation_id: UUID | None, amount: Money) -> Owner:
    """Whose wallet the caller may pay so much out of. As `moves_money`, and raises what `ask_rules` raises."""
    owner = await moves_money(session, me, organisation_id)
    await ask_rules(session, me, owner, amount)
    return owner


async def ask_rules(session: ReadSession, me: Principal, owner: Owner, amount: Money) -> None:
    """Whether anything else stands against money leaving: raises what the house's `PayoutRule`s raise."""
    leaving = Leaving(owner_kind=owner.kind, owner_id=owner.id, by=me.person_id, amount=amount)
    for rule in house_of(session).provided(PayoutRule):
        await rule.check(session, leaving)


async def reads_money(session: ReadSession, person_id: UUID, organisation_id: UUID | None) -> tuple[OwnerKind, UUID]:
    """Whose payees and payouts a person may see: their own, or those of an organisation whose money they may read.

    Raises `NotFound` for whoever does not belong to it, `Forbidden` for a member in another role.
    """
    if organisation_id is None:
        return "person", person_id
    await identity.require_member(session, organisation_id, person_id, *identity.MONEY_READERS)
    return "organisation", organisation_id


async def seen_as(session: ReadSession, person_id: UUID, owner_kind: str, owner_id: UUID) -> tuple[OwnerKind, UUID]:
    """As whom a person sees something of this owner: as the organisation whose money they may read, else as oneself."""
    if owner_kind == "organisation":
        place = await identity.membership(session, owner_id, person_id)
        if place and place.role in identity.MONEY_READERS:
            return "organisation", owner_id
    return "person", person_id


async def still_moves(session: ReadSession, payout: PayoutRow) -> bool:
    """Whether the person who asked for a payout might ask for it now. Always true of what is not an organisation's."""
    if payout.owner_kind != "organisation" or payout.requested_by is None:
        return True
    place = await identity.membership(session, payout.owner_id, payout.requested_by)
    return place is not None and place.role in identity.MONEY_MOVERS


async def owns(session: ReadSession, person_id: UUID, owner_kind: str, owner_id: UUID) -> bool:
    """Whether something of this owner is a person's own, or an organisation's that they belong to in whatever role."""
    if owner_kind == "organisation":
        return await identity.membership(session, owner_id, person_id) is not None
    return owner_id == person_id


async def told(session: ReadSession, about: PayeeRow | PayoutRow, by: UUID | None) -> list[UUID]:
    """Who is told of an owner's money: the person, or all owners of the organisation and the member who acted."""
    if about.owner_kind != "organisation":
        return [about.owner_id] if about.owner_kind == "person" else []
    found = await identity.members(session, about.owner_id)
    return [
        one.person_id
        for one in found
        if one.role == identity.Role.OWNER or (one.person_id == by and one.role in identity.MONEY_MOVERS)
    ]


async def note(session: Session, me: Principal, what: str, owner: Owner, **details: JsonValue) -> None:
    """Write down who did what with an organisation's money. What people do with their own is in their own wallet."""
    if owner.kind == "organisation":
        await identity.audit(session, me, f"payments.organisation_{what}", f"organisation:{owner.id}", details)
