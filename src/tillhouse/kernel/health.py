"""Liveness is the process; readiness is "my database answers, at or beyond the revision this build needs".

Vendors' health is on `/health` and in the metrics, never in a probe: a slow vendor must not restart our processes.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Literal

from fastapi import APIRouter, Depends, Response
from prometheus_client import Gauge
from sqlalchemy import text

from tillhouse.kernel import clock
from tillhouse.kernel.access import open_to_all
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.manifest import HealthCheck

log = get_logger(__name__)

_LIMIT = 3.0  # seconds a dependency may take before it counts as down
_KEPT = 10.0  # seconds for which an answer is shown again: whoever reloads the page asks nobody anything

_UP = Gauge("dependency_up", "Whether a dependency answered when it was last asked (1 or 0)", ["dependency"])


@dataclass(frozen=True, slots=True)
class DependencyState:
    """One dependency as it answered: whether, and after how long."""

    name: str
    state: Literal["up", "down"]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Look:
    """All dependencies as they answered at one time (`at`, ISO 8601)."""

    at: str
    dependencies: Sequence[DependencyState]

    @property
    def worst(self) -> Literal["up", "degraded"]:
        return "up" if all(one.state == "up" for one in self.dependencies) else "degraded"


class Dependencies:
    """What one process depends on, asked at most every ten seconds and once at a time, however many want to know."""

    def __init__(self, house: House, checks: Sequence[HealthCheck], *, now: Callable[[], float] = time.monotonic):
        self._house, self._checks, self._now = house, checks, now
        self._last: Look | None = None
        self._looked_at = 0.0
        self._looking: asyncio.Task[Look] | None = None
        house.on_close(self._close)

    async def look(self) -> Look:
        """The latest answers, from now or a few seconds ago."""
        if self._last and self._now() - self._looked_at < _KEPT:
            return self._last
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)  # who goes away does not take the others' answer along

    async def _look(self) -> Look:
        try:
            states = await asyncio.gather(*(measure(self._house, check) for check in self._checks))
            for one in states:
                _UP.labels(one.name).set(one.state == "up")
            self._last, self._looked_at = Look(clock.now().isoformat(timespec="seconds"), states), self._now()
            return self._last
        finally:
            self._looking = None

    async def _close(self) -> None:
        if self._looking:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking


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


def answers_at(name: str, url: str) -> HealthCheck:
    """A provider that is up when it answers HTTP at `url`, whatever it says: it is asked without credentials."""
    return HealthCheck(name, lambda house: house.outbound.reach(name, url))


def database_at(revision: str) -> HealthCheck:
    """The database, at `revision` or beyond. Revisions are zero-padded numbers: later sorts higher."""

    async def check(house: House) -> None:
        async with house.database.reading() as session:
            found = (await session.execute(text("SELECT version_num FROM public.alembic_version"))).scalar_one()
        if found < revision:
            raise RuntimeError(f"the database is at revision {found}; this build needs {revision}: run `till migrate`")

    return HealthCheck("database", check)


def health_router(house: House, database: HealthCheck, dependencies: Dependencies) -> APIRouter:
    """`/health/live`, `/health/ready`, `/health`."""
    router = APIRouter(dependencies=[Depends(open_to_all("Probes and dashboards hold no credentials."))])

    @router.get("/health/live", include_in_schema=False)
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/health/ready", include_in_schema=False)
    async def ready(response: Response) -> dict[str, str]:
        found = await measure(house, database)
        response.status_code = 200 if found.state == "up" else 503
        return {"status": "ready" if found.state == "up" else "not ready"}

    @router.get("/health", include_in_schema=False)
    async def health() -> dict[str, object]:
        found = await dependencies.look()
        return {
            "status": found.worst,
            "checked_at": found.at,
            "dependencies": [asdict(one) for one in found.dependencies],
        }

    return router
