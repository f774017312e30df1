"""The web, a worker or the relay of a house that takes and pays out money, as what a process of its own runs."""

import asyncio
import os
from collections.abc import Mapping

import uvicorn

from tests.parts.payments.till import catalogue
from tests.work.process import TIMING
from tillhouse.apps.compose import build_house, create_app
from tillhouse.apps.relay import relay
from tillhouse.apps.worker import run_worker
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.settings import KernelSettings


def build(process: str) -> House:
    """A house with the modules that payments need."""
    settings = KernelSettings.load()
    configure_logs(settings)
    return build_house(settings, catalogue=catalogue(), process=process)


async def run_relay() -> None:
    """The relay, in a hurry."""
    await relay(build("relay"), TIMING)


def main(role: str, env: Mapping[str, str]) -> None:
    """Be the web, the worker or the relay, with these variables in the environment."""
    os.environ.update(env)
    if role == "web":
        uvicorn.run(create_app(build("web")), port=int(env["WEB_PORT"]), log_level="critical")
    elif role == "relay":
        asyncio.run(run_relay())
    else:
        run_worker(lambda: build("worker"), timing=TIMING)
