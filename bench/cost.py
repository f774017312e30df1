"""Processor time, which other work on the machine changes far less than it changes a rate."""

from contextlib import suppress

import psutil

from tillhouse.apps.embedded import EmbeddedPostgres


class Cost:
    """What a process (this one, when none is named) and a server spend from now on."""

    def __init__(self, server: EmbeddedPostgres, process: psutil.Process | None = None) -> None:
        self._process = process or psutil.Process()
        self._server = psutil.Process(server.pid)
        self._before = self._spent()

    def per(self, count: float) -> tuple[float, float]:
        """Microseconds for each of `count`: of the process, and of the server."""
        process, server = self._spent()
        return 1e6 * (process - self._before[0]) / count, 1e6 * (server - self._before[1]) / count

    def _spent(self) -> tuple[float, float]:
        own = self._process.cpu_times()
        server = self._server.cpu_times()
        # Of the backends that have ended their parent keeps count.
        total = server.user + server.system + server.children_user + server.children_system
        for backend in self._server.children():
            with suppress(psutil.NoSuchProcess):
                times = backend.cpu_times()
                total += times.user + times.system
        return own.user + own.system, total
