"""Processes that a test starts, kills and starts again."""

import asyncio
import multiprocessing
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from tests.work import process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.work.process"])


class Fleet:
    """Relay and worker processes; one that kills itself is started again by `keep`.

    They are forked from a server that has loaded the code, so that a start takes no seconds.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._processes: dict[str, ForkServerProcess] = {}

    def start(self, role: str) -> None:
        self._processes[role] = _FORKS.Process(target=process.main, args=(role, self._env))
        self._processes[role].start()

    def kill(self, role: str) -> None:
        self._processes[role].kill()
        self._processes[role].join()

    def stop(self, role: str) -> float:
        """Ask it to stop; how many seconds it took."""
        asked = time.monotonic()
        self._processes[role].terminate()
        self._processes[role].join(8)
        assert self._processes[role].exitcode == 0
        return time.monotonic() - asked

    def keep(self) -> None:
        for role, running in self._processes.items():
            if not running.is_alive():
                self.start(role)

    def close(self) -> None:
        for running in self._processes.values():
            running.kill()
            running.join()
            running.close()


class Redis:
    """A redis-server that keeps nothing: killed, it has lost everything."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        command = ["redis-server", "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()


def need_redis() -> None:
    """Skip on a laptop without it; fail where everything is installed."""
    if shutil.which("redis-server") is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is missing: apt-get install redis-server")
        pytest.skip("redis-server is not installed")


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    """Wait for other processes to make `condition` true."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  another process makes it true
            await asyncio.sleep(0.05)
