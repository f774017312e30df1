"""Nobody decides about money of their own."""

from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import Forbidden
from tillhouse.kernel.text import N_
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import store


def person_behind(principal: Principal) -> UUID:
    """The person who acts, also through a key of theirs: what they do with a key they have done. Raises `Forbidden`."""
    person = principal.made_by or principal.id
    if person is None:
        raise Forbidden(N_("Only a person, or a key that a person made, can do this."))
    return person


async def refuse_own(session: ReadSession, by: UUID, owner_kind: str, owner_id: UUID) -> None:
    """Raise `Forbidden` where the money is the person's own, or of an organisation that they belong to, or of an order
    begun without signing in that they could claim.
    """
    if owner_kind == "organisation":
        mine = owner_id in {one.organisation_id for one in await identity.organisations_of(session, by)}
    elif owner_kind == "order":
        named = set(await store.emails_of_owner(session, owner_kind, owner_id))
        mine = any(one.address in named for one in await identity.contacts(session, by))
    else:
        mine = owner_id == by
    if mine:
        raise Forbidden(N_("This is money of your own, or of your organisation: somebody else decides about it."))
