"""What the supervisor keeps running, seen alike: a process of ours, or a service with one of its own."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tillhouse.apps import runtime
from tillhouse.apps.supervise import machine
from tillhouse.apps.supervise.log import Log
from tillhouse.apps.supervise.nursery import Child, Nursery
from tillhouse.apps.supervise.specs import ProcessSpec, Service

SERVICE_STOP_SECONDS = 2.0


class KeptProcess:
    """The process of a `ProcessSpec`, in a group of its own."""

    def __init__(
        self, spec: ProcessSpec, logs: Path, say: Callable[[str], None], nursery: Nursery | None = None
    ) -> None:
        self.name, self.restart = spec.name, spec.restart
        self._spec = spec
        self._nursery = nursery if spec.fork and nursery is not None and nursery.available else None
        self._log = Log(logs / f"{spec.name}.log", lambda line: say(f"{spec.name}: {line}"))
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def start(self) -> None:
        read, write = os.pipe()
        self._log.follow(read)
        try:
            if self._nursery is not None:
                self._child = await asyncio.to_thread(self._nursery.start, self._spec, write)
            else:
                self._child = self._start_alone(write)
        finally:
            os.close(write)

    def _start_alone(self, output: int) -> Child:
        return subprocess.Popen(  # noqa: S603  the list is ours
            runtime.command(self._spec.argv, end_with=signal.SIGTERM),
            env=dict(self._spec.env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,  # the terminal's Ctrl-C reaches the supervisor alone
        )

    def poll(self) -> int | None:
        return self._child.poll() if self._child else 0

    async def is_ready(self) -> bool:
        return self._spec.ready is None or await machine.answers(self._spec.ready)

    def ask_to_end(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()

    async def end(self) -> None:
        """Kill what is left of it and of what it started, and forget it: its number may soon be another's."""
        if self._child is not None:
            with suppress(ProcessLookupError, PermissionError):  # a mac says "not permitted" of a group of zombies
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.kill()  # a fork that has no group yet
            self._child.wait()
            self._child = None
        self._log.finish()

    def where_to_look(self) -> str:
        said = f"; the last it said was: {self._log.last}" if self._log.last else ""
        return f", see {self._log.path}{said}"


class KeptService:
    """A `Service`. Its calls block, so they run in the loop's threads, which live as long as the loop does."""

    restart = True

    def __init__(self, service: Service) -> None:
        self.name = service.name
        self._service = service

    async def start(self) -> None:
        if self._service.poll() is not None:
            await asyncio.to_thread(self._service.start)

    def poll(self) -> int | None:
        return self._service.poll()

    async def is_ready(self) -> bool:
        return True

    async def end(self) -> None:
        """Leave it as it is: a service cleans up when it starts again."""

    async def stop(self) -> None:
        await asyncio.to_thread(self._service.stop, SERVICE_STOP_SECONDS)

    def where_to_look(self) -> str:
        return ""
