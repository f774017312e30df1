"""The loop that starts, watches, restarts and stops."""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tillhouse.apps.supervise import machine
from tillhouse.apps.supervise.kept import KeptProcess, KeptService
from tillhouse.apps.supervise.nursery import Nursery
from tillhouse.apps.supervise.specs import ProcessSpec, RestartPolicy, Service
from tillhouse.kernel.errors import DomainError

TICK_SECONDS = 0.1
STOP_SECONDS = 6.0  # for processes; services follow, so that all is over within ten


class Supervisor:
    """Runs `specs` in this order and ends them in the reverse one. Use it in the main thread, once.

    `folder` holds the logs and the record of what runs; two supervisors never share one: `lock` is what `lock_folder`
    returned to a caller who had something to make there first. `nursery` makes the processes that may be forks; without
    one they start by themselves. `say` gets each sentence meant for the person at the terminal; `on_ready` is called
    once, when everything is up.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec | Service],
        folder: Path,
        *,
        policy: RestartPolicy | None = None,
        lock: IO[str] | None = None,
        nursery: Nursery | None = None,
        say: Callable[[str], None] = machine.say,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder.absolute()
        self._lock = lock
        self._policy = policy or RestartPolicy()
        self._say = say
        self._on_ready = on_ready
        logs = self._folder / "logs"
        self._kept = [
            KeptProcess(spec, logs, say, nursery) if isinstance(spec, ProcessSpec) else KeptService(spec)
            for spec in specs
        ]
        self._stopping = asyncio.Event()
        self._failed = False

    def run(self) -> int:
        """Run until Ctrl-C, SIGTERM or SIGHUP (0), or until a process cannot be kept running (1).

        Services that already run are taken over, and stopped at the end. Raises `SupervisorError` when another
        supervisor has the folder, or when it cannot be written.
        """
        with self._lock or machine.lock_folder(self._folder):
            machine.end_leftovers(self._record)
            return asyncio.run(self._run())

    @property
    def _record(self) -> Path:
        return self._folder / "processes.json"

    @property
    def _processes(self) -> list[KeptProcess]:
        return [kept for kept in self._kept if isinstance(kept, KeptProcess)]

    async def _run(self) -> int:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        tasks: list[asyncio.Task[None]] = []
        try:
            for kept in self._kept:
                up = asyncio.Event()
                tasks.append(asyncio.create_task(self._keep(kept, up)))
                tasks[-1].add_done_callback(self._stop_if_broken)
                await self._until_up(up)
            if not self._stopping.is_set():
                self._on_ready()
            await self._stopping.wait()
        finally:
            self._stopping.set()
            await self._stop(tasks)
            self._record.unlink(missing_ok=True)
        return 1 if self._failed else 0

    async def _keep(self, kept: KeptProcess | KeptService, up: asyncio.Event) -> None:
        """Start, watch, start again. Sets `up` when the next one may start."""
        policy, early_deaths, pause = self._policy, 0, self._policy.pause
        while not self._stopping.is_set():
            began = time.monotonic()
            reason = await self._run_once(kept, up)
            if reason is None or self._stopping.is_set():
                return
            lived = time.monotonic() - began
            early_deaths = early_deaths + 1 if lived < policy.early else 0
            pause = policy.pause if lived >= policy.healthy else pause
            if not kept.restart or early_deaths >= policy.most_early_deaths:
                times = f" That was {early_deaths} times in a row." if kept.restart else ""
                self._give_up(f"{kept.name} {reason}.{times} Everything is stopped.")
                return
            self._say(f"{kept.name} {reason}. Starting it again in {pause:g} s.")
            await self._pause(pause)
            pause = min(pause * 2, policy.longest_pause)

    async def _run_once(self, kept: KeptProcess | KeptService, up: asyncio.Event) -> str | None:
        """From start to end. Returns why it ended, or None when that is as it should be."""
        try:
            await kept.start()
        except (DomainError, OSError) as error:
            return f"cannot start: {error}".rstrip(".")
        self._write_record()
        deadline = time.monotonic() + self._policy.ready
        while (code := kept.poll()) is None and not self._stopping.is_set():
            if kept.restart and not up.is_set():
                if await kept.is_ready():
                    up.set()
                elif time.monotonic() > deadline:
                    await kept.end()
                    return f"was not ready within {self._policy.ready:g} s{kept.where_to_look()}"
            await self._pause(TICK_SECONDS)
        if code is None:
            return None
        await kept.end()
        if code == 0 and not kept.restart:
            up.set()
            return None
        return f"ended ({machine.exit_as_words(code)}){kept.where_to_look()}".rstrip(".")

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _until_up(self, up: asyncio.Event) -> None:
        while not up.is_set() and not self._stopping.is_set():
            await self._pause(TICK_SECONDS / 2)

    def _give_up(self, sentence: str) -> None:
        self._say(sentence)
        self._failed = True
        self._stopping.set()

    def _stop_if_broken(self, task: asyncio.Task[None]) -> None:
        """An error of our own must not leave the rest running unwatched; `_stop` raises it."""
        if not task.cancelled() and task.exception() is not None:
            self._stopping.set()

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        """Ask every process in reverse order, kill what is left, then stop the services they used."""
        for process in reversed(self._processes):
            process.ask_to_end()
        deadline = time.monotonic() + STOP_SECONDS
        # A process's end is no event of asyncio's.
        while any(p.poll() is None for p in self._processes) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(TICK_SECONDS / 2)
        await self._end_processes()
        await self._stop_services()
        await asyncio.gather(*tasks)
        await self._end_processes()  # and one whose start was still under way
        await self._stop_services()

    async def _end_processes(self) -> None:
        for process in reversed(self._processes):
            await process.end()

    async def _stop_services(self) -> None:
        for service in reversed(self._kept):
            if isinstance(service, KeptService):
                await service.stop()

    def _write_record(self) -> None:
        machine.write_record(self._record, [process.pid for process in self._processes if process.pid])
