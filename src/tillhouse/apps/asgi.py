"""The web process: what uvicorn runs.

`TILL_SERVE` names the modules this process serves, separated by commas; empty means all.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from tillhouse.apps.compose import build_house, create_app
from tillhouse.apps.runtime import keep_out_of_collections
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.settings import KernelSettings


def app() -> FastAPI:
    """Build the app from the environment. Raises `SettingsError` for a configuration that cannot run."""
    settings = KernelSettings.load()
    configure_logs(settings)
    serve = [name for name in os.environ.get("TILL_SERVE", "").split(",") if name]
    house = build_house(settings, serve=serve)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await house.close()

    web = create_app(house)
    web.router.lifespan_context = lifespan
    keep_out_of_collections()
    return web
