"""A relay or worker of the dummy module, as what a process of its own runs.

`CRASH_AT` names a step at which it kills itself, once: the file `CRASH_FLAG` remembers that it did.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from tests.work import dummy
from tillhouse.apps import relay as relay_module
from tillhouse.apps import worker as worker_module
from tillhouse.apps.compose import build_house
from tillhouse.apps.relay import relay
from tillhouse.apps.worker import run_worker
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import store
from tillhouse.kernel.work.timing import Timing

TIMING = Timing(
    lease=timedelta(seconds=1.5),
    beat=timedelta(seconds=0.3),
    resend=timedelta(seconds=1),
    grace=timedelta(seconds=0.5),
)

Anything = Callable[..., Awaitable[Any]]

# step → where the function is, its name, and whether the process dies before it or after it
STEPS: dict[str, tuple[Any, str, bool]] = {
    "relay: events marked, not committed": (store, "fan_out", False),
    "relay: jobs marked, not committed": (store, "take_due", False),
    "relay: jobs committed, not sent": (relay_module.Relay, "_send", True),
    "relay: jobs sent": (relay_module.Relay, "_send", False),
    "worker: message taken": (store, "claim", True),
    "worker: claimed, not committed": (store, "claim", False),
    "worker: claim committed": (worker_module, "run_claimed", True),
    "worker: effect made, not marked": (store, "finish", True),
    "worker: effect marked, not committed": (store, "finish", False),
    "worker: committed, message not acknowledged": (worker_module, "run_claimed", False),
}


def crash_once() -> None:
    try:
        os.close(os.open(os.environ["CRASH_FLAG"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def arm(step: str) -> None:
    owner, name, before = STEPS[step]
    real: Anything = getattr(owner, name)

    async def armed(*args: Any, **kwargs: Any) -> Any:
        if before:
            crash_once()
        result = await real(*args, **kwargs)
        if not before and result not in (0, []):
            crash_once()
        return result

    setattr(owner, name, armed)


def build(process: str) -> House:
    settings = KernelSettings.load()
    configure_logs(settings)
    return build_house(settings, catalogue=(dummy.MODULE,), process=process)


async def run_relay() -> None:
    await relay(build("relay"), TIMING)


def main(role: str, env: Mapping[str, str]) -> None:
    """Be the relay or the worker, with these variables in the environment."""
    os.environ.update(env)
    step = env["CRASH_AT"]
    if step.startswith(f"{role}:"):
        arm(step)
    if role == "relay":
        asyncio.run(run_relay())
    else:
        run_worker(lambda: build("worker"), timing=TIMING)
