"""Staff page of the use of models: what they are used for, what that came to, and which endpoints answer."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.paging import cut, decode_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.sheets import csv_download
from tillhouse.parts.ai.domain.prices import NANO
from tillhouse.parts.ai.flows import switchboard
from tillhouse.parts.ai.flows.switchboard import Switchboard
from tillhouse.parts.ai.models import CallRow
from tillhouse.parts.ai.pages.naming import engine_name, failure_name, model_name, purpose_name, says_more
from tillhouse.parts.ai.service import overview

router = APIRouter(prefix="/console/ai")
Staff = Annotated[Principal, Depends(require("ai.read"))]

_PAGE = 30
_COLUMNS = ("call", "at", "kind", "purpose", "model", "state", "failure", "input_tokens", "output_tokens",
            "cached_tokens", "milliseconds", "estimated", "cost_usd", "price_version", "latency_ms")  # fmt: skip

_WORDS = {
    "chat": N_("Answers"),
    "transcription": N_("Listens"),
    "image": N_("Makes pictures"),
    "embedding": N_("Makes vectors"),
    "running": N_("Running"),
    "done": N_("Done"),
    "cut": N_("Broke off"),
    "cancelled": N_("Hung up"),
    "late": N_("Too late"),
    "failed": N_("Failed"),
    "lost": N_("Lost"),
}
_TONES = {"done": "success", "failed": "danger", "late": "danger", "cut": "warning", "lost": "warning"}


@router.get("/usage")
async def usage(
    request: Request,
    session: Read,
    house: TheHouse,
    _staff: Staff,
    pages: Pages,
    *,
    days: Literal["1", "7", "30", "365"] = "30",
    cursor: str | None = None,
) -> Response:
    """Figures, endpoints, and the newest calls."""
    before = decode_id(cursor) if cursor else None
    found = await overview.newest(session, _PAGE + 1, before)
    shown, following = cut(found, _PAGE, lambda row: (str(row.id),))
    context = {
        "seen": await overview.overview(session, int(days)),
        "days": days,
        "endpoints": switchboard.listed(house),
        "prices": house.the(Switchboard).prices.version,
        "calls": shown,
        "next": following,
        "cursor": cursor,
        "dollars": dollars,
        "engine_name": engine_name,
        "failure_name": failure_name,
        "model_name": model_name,
        "purpose_name": partial(purpose_name, house),
        "says_more": says_more,
        "words": _WORDS,
        "tones": {state: _TONES.get(state, "neutral") for state in _WORDS},
    }
    return pages.render_page(request, "ai/usage.html", context)


@router.get("/calls.csv")
async def calls_csv(house: TheHouse, _staff: Staff) -> Response:
    """The last year's calls, for a spreadsheet; whose they were is left out."""

    async def rows(session: ReadSession) -> AsyncIterator[Sequence[object]]:
        async for row in overview.every_call(session, clock.now() - timedelta(days=366)):
            yield _cells(row)

    return csv_download("model-calls", _COLUMNS, house.database, rows)


def dollars(nano: int) -> Decimal:
    """Billionths of a dollar as dollars."""
    return Decimal(nano) / NANO


def _cells(row: CallRow) -> Sequence[object]:
    return (row.id, row.created_at.isoformat(), row.kind, row.purpose, row.model, row.state, row.failure or "",
            row.input_tokens, row.output_tokens, row.cached_tokens, row.milliseconds, row.estimated,
            f"{dollars(row.cost):.9f}", row.price_version, row.latency_ms)  # fmt: skip
