"""One-click sign-in as a demo person. These routes exist in development alone, and refuse anywhere else."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.http import TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import FromOurPage, Pages
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.pages import browser
from tillhouse.parts.identity.service import sessions

DEMO_DOMAIN = "@demo.tillhouse.test"

router = APIRouter()


@router.get("/dev/sign-in")
async def choose(request: Request, house: TheHouse, _who: browser.Anyone, pages: Pages) -> Response:
    """The demo people, a button each."""
    _only_in_development(house.settings.environment)
    async with house.database.reading() as session:
        people = await store.people_at(session, DEMO_DOMAIN)
    return pages.render_page(request, "identity/dev_sign_in.html", {"people": people})


@router.post("/dev/sign-in", dependencies=[FromOurPage, Depends(rate_limit("60/minute", by="ip"))])
async def sign_in_as(
    request: Request,
    house: TheHouse,
    session: Write,
    _who: browser.Anyone,
    wanted: Annotated[str, Query(alias="as")] = "",
    next_path: Annotated[str, Query(alias="next")] = "",
) -> Response:
    """Become a demo person, staff with their second factor shown. Raises `NotFound` for anyone else."""
    _only_in_development(house.settings.environment)
    is_demo = wanted.endswith(DEMO_DOMAIN)
    person = await store.person_by_identifier(session, parse_identifier(wanted)) if is_demo else None
    if person is None:
        raise NotFound(N_("There is no such demo person: run `till demo`."))
    begun = await sessions.begin(session, person, "pages", "One click", 1 if person.role == "user" else 2)
    return browser.welcome(request, begun, next_path)


def _only_in_development(environment: str) -> None:
    if environment != "development":
        raise NotFound(N_("There is nothing at this address."))
