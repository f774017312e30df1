"""The sandbox's server."""

import asyncio
import functools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
from fastapi import APIRouter, FastAPI, Request
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from tillhouse.sandbox import control, gate
from tillhouse.sandbox.bank import account as bank
from tillhouse.sandbox.clock import Clock, NowMs, system_now_ms
from tillhouse.sandbox.player import Refusal
from tillhouse.sandbox.players import PLAYERS, called
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.smtp import smtp_server
from tillhouse.sandbox.webhooks import Delivery
from tillhouse.sandbox.world import World, build_world

_STATIC = Path(__file__).parent / "static"


class Sandbox(FastAPI):
    """The outside world as an ASGI application. Without its lifespan nothing happens by itself: tests call
    `deliver_due`."""

    def __init__(self, world: World) -> None:
        super().__init__(
            title="Tillhouse sandbox",
            lifespan=_lifespan,
            openapi_url="/_sandbox/openapi.json",
            docs_url=None,
            redoc_url=None,
        )
        self.world = world
        self.state.world = world
        self.state.players = PLAYERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await gate.pass_through(super().__call__, self.world, scope, receive, send)

    def send_through(self, transport: httpx.AsyncBaseTransport) -> None:
        """Deliver webhooks through `transport`, usually `httpx.ASGITransport(app=web)`."""
        self.world.webhooks.send_through(transport)

    def pending(self) -> list[Delivery]:
        """Webhooks not yet delivered, earliest due first: deliver them by hand, in any order, with `deliver`."""
        return self.world.store.scheduled(Delivery)

    async def deliver(self, delivery_id: str) -> Delivery | None:
        """Try one webhook now, whatever its turn and whatever faults are in force; None when there is none."""
        return await self.world.webhooks.attempt(delivery_id, with_faults=False)

    async def aclose(self) -> None:
        """Give back connections and the state file (the server's lifespan does it by itself)."""
        await self.world.close()

    async def deliver_due(self) -> int:
        """Do and send all that is due by the sandbox's clock, one after another; returns the webhook tries."""
        return await self.world.deliver_due()


def create_sandbox(settings: SandboxSettings, *, now_ms: NowMs = system_now_ms) -> Sandbox:
    """Build the sandbox over its state file.

    Args:
        settings: credentials, webhook targets, clock scale, state file.
        now_ms: the clock, in milliseconds since the epoch; `clock.ManualClock` for tests.
    """
    world = build_world(settings, Clock(now_ms, settings.clock_scale))
    for player in PLAYERS:
        player.register(world)
    sandbox = Sandbox(world)
    sandbox.router.routes.extend(_routes())
    sandbox.mount("/_sandbox/static", StaticFiles(directory=_STATIC))
    _answer_errors_as_the_providers_do(sandbox)
    return sandbox


@functools.cache
def _routes() -> Sequence[BaseRoute]:
    """What every sandbox of this process answers: FastAPI reads its signatures once."""
    shelf = APIRouter()
    for router in (control.router, bank.router, *(router for player in PLAYERS for router in player.routers)):
        shelf.include_router(router)
    return shelf.routes


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The real server: webhooks and time passing in the background, and SMTP where a port is set."""
    world: World = app.state.world
    async with AsyncExitStack() as stack:
        if world.settings.smtp_port is not None:
            await stack.enter_async_context(
                smtp_server(world.inbox, world.settings.smtp_host, world.settings.smtp_port)
            )
        background = asyncio.create_task(world.run())
        try:
            yield
        finally:
            background.cancel()
            with suppress(asyncio.CancelledError):
                await background
            await world.close()


def _answer_errors_as_the_providers_do(sandbox: FastAPI) -> None:
    @sandbox.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        return refusal.response()

    @sandbox.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        call = called(request.url.path)
        if call and call[0].invalid:
            return call[0].invalid(error.errors())
        return await request_validation_exception_handler(request, error)

    @sandbox.exception_handler(HTTPException)
    async def not_found(request: Request, error: HTTPException) -> Response:
        call = called(request.url.path)
        if call:
            return call[0].no_such_url(request.method, request.url.path, error.status_code)
        return await http_exception_handler(request, error)
