"""Liveness is the process; readiness is "my database answers, at or beyond the revision this build needs".

Vendors' health is on `/health` and in the metrics, never in a probe: a slow vendor must not restart our processes.
"""

import asyncio
import hmac
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from tillhouse.kernel.access import open_to_all
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.http import TheHouse
from tillhouse.kernel.limits import client_address
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.manifest import HealthCheck
from tillhouse.kernel.text import N_

log = get_logger(__name__)

_LIMIT = 3.0  # seconds a dependency may take before it counts as down


@dataclass(frozen=True, slots=True)
class DependencyState:
    """One dependency as it answered just now."""

    name: str
    state: Literal["up", "down"]
    milliseconds: float


async def _database_at(house: House, revision: str) -> None:
    async with house.database.reading() as session:
        found = (await session.execute(text("SELECT version_num FROM public.alembic_version"))).scalar_one()
    if found < revision:
        raise RuntimeError(f"the database is at revision {found}; this build needs {revision}: run `till migrate`")


async def measure(house: House, check: HealthCheck) -> DependencyState:
    """Ask one dependency, within the limit."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(_LIMIT):
            await check.check(house)
        state: Literal["up", "down"] = "up"
    except Exception as error:  # noqa: BLE001  # whatever a dependency raises means that it is down
        log.warning("dependency_down", dependency=check.name, error=repr(error))
        state = "down"
    return DependencyState(check.name, state, round((time.monotonic() - started) * 1000, 1))


def health_router(revision: str, checks: Sequence[HealthCheck]) -> APIRouter:
    """`/health/live`, `/health/ready`, `/health`, `/metrics`. Revisions are zero-padded numbers: later sorts higher."""
    router = APIRouter(dependencies=[Depends(open_to_all("Probes and dashboards hold no credentials."))])
    database = HealthCheck("database", lambda house: _database_at(house, revision))

    @router.get("/health/live", include_in_schema=False)
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/health/ready", include_in_schema=False)
    async def ready(house: TheHouse, response: Response) -> dict[str, str]:
        found = await measure(house, database)
        response.status_code = 200 if found.state == "up" else 503
        return {"status": "ready" if found.state == "up" else "not ready"}

    @router.get("/health", include_in_schema=False)
    async def health(house: TheHouse) -> dict[str, object]:
        found = await asyncio.gather(*(measure(house, check) for check in (database, *checks)))
        worst = "up" if all(one.state == "up" for one in found) else "degraded"
        return {"status": worst, "dependencies": [asdict(one) for one in found]}

    @router.get("/metrics", include_in_schema=False)
    async def metrics(request: Request, house: TheHouse) -> Response:
        _require_scraper(request, house)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


def _require_scraper(request: Request, house: House) -> None:
    """Figures of a business are not for everyone: whoever has METRICS_TOKEN, or without one this machine alone."""
    if token := house.settings.metrics_token:
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        allowed = hmac.compare_digest(sent.encode(), token.encode())
    else:
        allowed = client_address(request) in ("127.0.0.1", "::1")
    if not allowed:
        raise NotFound(N_("There is nothing at this address."))
