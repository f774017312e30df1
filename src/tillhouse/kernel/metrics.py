"""`/metrics`: what Prometheus reads. Figures of a business are not for everyone."""

import hmac

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tillhouse.kernel.access import open_to_all
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.health import Dependencies
from tillhouse.kernel.house import House
from tillhouse.kernel.limits import client_address
from tillhouse.kernel.text import N_
from tillhouse.kernel.work.metrics import read_queues


def may_scrape(token: str, authorization: str, address: str) -> bool:
    """Whoever sends METRICS_TOKEN may read; where there is none, this machine alone."""
    if token:
        return hmac.compare_digest(authorization.removeprefix("Bearer ").encode(), token.encode())
    return address in ("127.0.0.1", "::1")


def metrics_router(house: House, dependencies: Dependencies) -> APIRouter:
    """`/metrics` of the web process."""
    router = APIRouter(dependencies=[Depends(open_to_all("Scrapers show a token of their own, or are this machine."))])

    @router.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        sent = request.headers.get("authorization", "")
        if not may_scrape(house.settings.metrics_token, sent, client_address(request)):
            raise NotFound(N_("There is nothing at this address."))
        await dependencies.look()
        await read_queues(house)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
