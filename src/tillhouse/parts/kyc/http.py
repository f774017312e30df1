"""JSON endpoints of kyc. With `organisation_id`, for an organisation that the caller is owner or admin of."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, UploadFile

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import Page
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.kyc import flows, schemas
from tillhouse.parts.kyc.domain import LEVELS, REASONS, Details, LevelName, PaperKind, sentence
from tillhouse.parts.kyc.service import cases

Me = Annotated[Principal, Depends(require("kyc.own"))]
For = Annotated[UUID | None, Query(description="An organisation; without it, the caller.")]

router = APIRouter(prefix="/kyc")


@router.get("")
async def list_levels(session: Read, me: Me, organisation_id: For = None) -> Page[schemas.StandingOut]:
    """Where every level stands, the first to reach first."""
    owner = await cases.owner_of(session, me, organisation_id)
    return Page(items=[_standing(one) for one in await cases.standings(session, owner)], next_cursor=None)


@router.get("/{level}")
async def show_level(session: Read, me: Me, level: LevelName, organisation_id: For = None) -> schemas.StandingOut:
    """Where a level stands and what there is to do."""
    owner = await cases.owner_of(session, me, organisation_id)
    return _standing(await cases.standing(session, owner, LEVELS[level]))


@router.post("/{level}/papers", status_code=201, dependencies=[Depends(rate_limit("30/hour"))])
async def send_paper(
    house: TheHouse,
    me: Me,
    level: LevelName,
    kind: Annotated[PaperKind, Form()],
    file: UploadFile,
    *,
    organisation_id: For = None,
) -> schemas.PaperOut:
    """Send a paper: a photo (JPEG, PNG, WebP, HEIC) or a PDF. It takes the place of the one of its kind."""
    paper = await flows.add_paper(house, me, organisation_id, level, kind=kind, content=await file.read())
    return schemas.PaperOut.model_validate(paper, from_attributes=True)


@router.delete("/{level}/papers/{paper_id}", status_code=204, dependencies=[Depends(rate_limit("60/minute"))])
async def remove_paper(session: Write, me: Me, level: LevelName, paper_id: UUID, organisation_id: For = None) -> None:
    """Take a paper out again, before it is handed in."""
    owner = await cases.owner_of(session, me, organisation_id)
    await cases.remove_paper(session, owner, LEVELS[level], paper_id)


@router.post("/{level}/submit", dependencies=[Depends(rate_limit("10/hour"))])
async def submit(
    session: Write, me: Me, level: LevelName, body: schemas.SubmitIn, organisation_id: For = None
) -> schemas.StandingOut:
    """Hand it in. What is missing or cannot be right is named."""
    owner = await cases.owner_of(session, me, organisation_id)
    details = Details(**body.details.model_dump()) if body.details else None
    return _standing(await cases.submit(session, me, owner, LEVELS[level], details))


@router.post("/{level}/withdraw", status_code=204, dependencies=[Depends(rate_limit("10/hour"))])
async def withdraw(session: Write, me: Me, level: LevelName, organisation_id: For = None) -> None:
    """Take it back while nothing is decided: papers and what was said are deleted."""
    owner = await cases.owner_of(session, me, organisation_id)
    await cases.withdraw(session, owner, LEVELS[level])


def _standing(found: cases.Standing) -> schemas.StandingOut:
    return schemas.StandingOut(
        level=found.level,
        title=gettext(LEVELS[found.level].title),
        state=found.state,
        message=gettext(sentence(found.state)),
        reasons=[schemas.ReasonOut(code=code, message=gettext(REASONS[code])) for code in found.reasons],
        valid_until=found.until,
        papers=[schemas.PaperOut.model_validate(one, from_attributes=True) for one in found.papers],
        wanted=list(found.wanted),
        also=list(found.also),
        may_begin=found.may_begin,
        number=found.number,
    )
