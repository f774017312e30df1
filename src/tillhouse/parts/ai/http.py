"""JSON endpoints of ai."""

from datetime import UTC, timedelta
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import Read
from tillhouse.parts.ai.domain.calls import UsageLine
from tillhouse.parts.ai.domain.prices import NANO
from tillhouse.parts.ai.schemas.usage import UsageLineOut, UsageOut
from tillhouse.parts.ai.service import metering

Me = Annotated[Principal, Depends(require("ai.own"))]

_MOST_DAYS = 400

_router = APIRouter(prefix="/ai")


@_router.get("/usage")
async def usage(session: Read, me: Me, days: Annotated[int, Query(ge=1, le=_MOST_DAYS)] = 30) -> UsageOut:
    """What the caller's own use of models came to in the last `days` days."""
    until = clock.now().astimezone(UTC)
    since = until - timedelta(days=days)
    found = await metering.usage_of(session, me.person_id, since, until + timedelta(seconds=1))
    return UsageOut(since=since, until=until, lines=[_out(one) for one in found])


def router() -> APIRouter:
    """All JSON endpoints of ai."""
    every = APIRouter()
    every.include_router(_router)
    return every


def _out(one: UsageLine) -> UsageLineOut:
    return UsageLineOut(
        purpose=one.purpose,
        model=one.model,
        calls=one.calls,
        failed=one.failed,
        input_tokens=one.input,
        output_tokens=one.output,
        cached_tokens=one.cached,
        sound_seconds=f"{Decimal(one.milliseconds) / 1000:.3f}",
        cost=f"{Decimal(one.cost) / NANO:.9f}",
        currency=one.unit,
    )
