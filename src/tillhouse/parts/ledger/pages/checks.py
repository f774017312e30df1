"""How sound the books are: what was checked and when, the seal, and where its heads are kept."""

from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.kernel.http import Read
from tillhouse.kernel.invariants import Finding
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.manifest import Invariant
from tillhouse.kernel.web.deps import FromOurPage, Pages
from tillhouse.kernel.web.toasts import is_htmx
from tillhouse.kernel.work import LastCheck, last_check
from tillhouse.parts.ledger.pages.common import ROOT, Reader
from tillhouse.parts.ledger.ports import Anchors
from tillhouse.parts.ledger.service import history, sealing
from tillhouse.parts.ledger.service.auditing import INVARIANTS

router = APIRouter()

# What looks at few rows however many there are in the books: the others are the scheduled check's.
CHEAP = frozenset({"ledger.guards", "ledger.floors", "ledger.held", "ledger.partitions", "ledger.anchors"})


@dataclass(frozen=True, slots=True)
class Standing:
    """An invariant and what is known of it: by the scheduled check, or just now with the breaches that were found."""

    name: str
    sentence: str
    state: Literal["holds", "broken", "unknown"]
    now: bool = False
    violations: tuple[str, ...] = ()


@router.get(f"{ROOT}/checks")
async def checks(request: Request, session: Read, pages: Pages, _reader: Reader) -> Response:
    """What the scheduled check found last, and where the seal stands."""
    last = await last_check(session)
    return await _page(request, session, pages, last, [_scheduled(one, last) for one in INVARIANTS])


@router.post(f"{ROOT}/checks", dependencies=[FromOurPage, Depends(rate_limit("6/minute"))])
async def check_now(request: Request, session: Read, pages: Pages, _reader: Reader) -> Response:
    """Check now what can be checked quickly."""
    last = await last_check(session)
    standings = []
    for one in INVARIANTS:
        if one.name in CHEAP:
            standings.append(_found(Finding(one.name, one.sentence, tuple(await one.violations(session)))))
        else:
            standings.append(_scheduled(one, last))
    return await _page(request, session, pages, last, standings)


async def _page(
    request: Request, session: ReadSession, pages: Pages, last: LastCheck | None, standings: list[Standing]
) -> Response:
    context = {
        "standings": standings,
        "last": last,
        "now": clock.now(),
        "checked_now": any(one.now for one in standings),
        "head": await sealing.head(session),
        "watermark": await history.watermark(session),
        "places": [anchor.place for anchor in house_of(session).the(Anchors).places],
    }
    if is_htmx(request):
        return pages.render_fragment(request, "ledger/_checks.html", context)
    return pages.render_page(request, "ledger/checks.html", context)


def _scheduled(one: Invariant, last: LastCheck | None) -> Standing:
    if last is None:
        return Standing(one.name, one.sentence, "unknown")
    return Standing(one.name, one.sentence, "broken" if one.name in last.broken else "holds")


def _found(finding: Finding) -> Standing:
    state: Literal["holds", "broken"] = "broken" if finding.violations else "holds"
    return Standing(finding.name, finding.sentence, state, now=True, violations=finding.violations)
