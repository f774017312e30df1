"""One process's output: into a bounded file, its errors to the terminal too."""

import asyncio
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

LOG_BYTES = 10 * 2**20
SHOWN_CHARACTERS = 300
ERROR_LINE = re.compile(
    rb'"level": ?"(error|critical)"'
    rb"|^\W*(\S+ )?(ERROR|CRITICAL|FATAL|PANIC)\b"
    rb"|^Traceback \(most recent"
    rb"|^(\w+\.)*\w*(Error|Exception|Interrupt): "
)


class Log:
    """`path` holds what the process said since the supervisor started, `path`.1 what came before; each at most 10 MB.

    `last` is the last line said. `show` gets each line that reports an error.
    """

    def __init__(self, path: Path, show: Callable[[str], None]) -> None:
        self.path, self.last = path, ""
        self._show = show
        self._begun = False
        self._file: IO[bytes] | None = None
        self._read = -1
        self._rest = b""

    def follow(self, read: int) -> None:
        """Copy from the pipe `read`, which is ours from now on, until it ends or `finish()`. Needs a running loop."""
        self._open(rotate=not self._begun)
        self._begun = True
        self._read = read
        os.set_blocking(read, False)
        asyncio.get_running_loop().add_reader(read, self._take)

    def finish(self) -> None:
        """Copy what is still in the pipe and close both."""
        while self._take():
            pass
        self._close()

    def _take(self) -> bool:
        """Copy what there is; False when that is nothing for now, or nothing ever."""
        if self._file is None:
            return False
        try:
            chunk = os.read(self._read, 65536)
        except BlockingIOError:
            return False
        if not chunk:
            self._close()
            return False
        with suppress(OSError):  # a full disk loses the log, not the process
            if self._file.tell() + len(chunk) > LOG_BYTES:
                self._open(rotate=True)
            self._file.write(chunk)
        self._look_for_errors(chunk)
        return True

    def _look_for_errors(self, chunk: bytes) -> None:
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[-8192:]
        for line in lines:
            if line.strip():
                self.last = line.decode("utf-8", "replace").strip()[:SHOWN_CHARACTERS]
                if ERROR_LINE.search(line):
                    self._show(self.last)

    def _open(self, *, rotate: bool) -> None:
        if self._file is not None:
            self._file.close()
        if rotate and self.path.exists():
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        self._file = self.path.open("ab", buffering=0)

    def _close(self) -> None:
        if self._file is not None:
            asyncio.get_running_loop().remove_reader(self._read)
            os.close(self._read)
            self._file.close()
            self._file = None
