"""A relay or a worker of the dummy module as a process of its own: `python -m tests.work.process relay|worker`."""

import asyncio
import sys
from datetime import timedelta

from tests.work import dummy
from tillhouse.apps.compose import build_house
from tillhouse.apps.relay import relay
from tillhouse.apps.worker import run_worker
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work.timing import Timing

TIMING = Timing(
    lease=timedelta(seconds=2),
    beat=timedelta(seconds=0.3),
    resend=timedelta(seconds=1),
    grace=timedelta(seconds=0.5),
)


def build(process: str) -> House:
    settings = KernelSettings.load()
    configure_logs(settings)
    return build_house(settings, catalogue=(dummy.MODULE,), process=process)


async def run_relay() -> None:
    await relay(build("relay"), TIMING)


if __name__ == "__main__":
    if sys.argv[1] == "relay":
        asyncio.run(run_relay())
    else:
        run_worker(lambda: build("worker"), timing=TIMING)
