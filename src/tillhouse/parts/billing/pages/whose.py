"""Whose plans and points a page shows: one's own, or those of an organisation whose money one may read."""

from collections.abc import Mapping
from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.billing.domain import Owner, page_of
from tillhouse.parts.billing.service import owners
from tillhouse.parts.identity import api as identity

HOME = "/billing/"


async def shown(
    session: ReadSession, me: Principal, organisation_id: UUID | None, path: str = HOME
) -> tuple[Owner, Mapping[str, object]]:
    """The owner that is asked for, and what every page says of it: its name, who else can be chosen, and whether the
    reader may do more than read. `path` is the page that a choice leads to. Raises as `owners.readable`.
    """
    owner = await owners.readable(session, me, organisation_id)
    places = [
        one for one in await identity.organisations_of(session, me.person_id) if one.role in identity.MONEY_READERS
    ]
    place = next((one for one in places if one.organisation_id == organisation_id), None)
    firms = [(one.name, f"{path}?organisation_id={one.organisation_id}", one == place) for one in places]
    return owner, {
        "organisation": place,
        "suffix": page_of(owner, ""),
        "choices": [(gettext("Yours"), path, place is None), *firms] if firms else [],
        "may_use": place is None or place.role in identity.MONEY_MOVERS,
    }
