"""The press: hands sheets to typesetting processes, which are started when needed and replaced when they grow.

Typst itself is loaded in those processes alone.
"""

import asyncio
import json
import pickle
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from tillhouse.kernel.errors import FieldError, InvalidInput, TransientError
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.text import N_
from tillhouse.parts.documents.ports import Sheet
from tillhouse.parts.documents.providers.typst.wire import ANSWER, DONE, LENGTH, REFUSED

log = get_logger(__name__)

_WORKSHOP = "tillhouse.parts.documents.providers.typst.workshop"
_LONGEST_SECONDS = 60.0  # a statement of 5,000 lines takes 10
_MOST_MEMORY = 300_000_000  # bytes, after which a process is replaced; a fresh one takes 90 MB


class TypstPress:
    """`workers` threads, each with a process of its own: threads wait, processes work, the event loop is free."""

    def __init__(
        self,
        *,
        workers: int = 2,
        fonts_folder: str = "",
        patience: float = _LONGEST_SECONDS,
        memory: int = _MOST_MEMORY,
    ) -> None:
        self._command = [sys.executable, "-I", "-m", _WORKSHOP, str(memory), fonts_folder]
        self._patience = patience
        self._threads = ThreadPoolExecutor(max(workers, 1), thread_name_prefix="press")
        self._own = threading.local()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stop = weakref.finalize(self, _stop_all, self._running)

    async def pdf(self, sheet: Sheet) -> bytes:
        """The file of a sheet.

        Raises `InvalidInput` for a logo or an attachment that cannot be used, `TransientError` when printing took too
        long or its process died.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._print, sheet)

    async def close(self) -> None:
        """Take no more, and stop what is running."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._stop()

    def _print(self, sheet: Sheet) -> bytes:
        process = self._process()
        stopping = threading.Timer(self._patience, process.kill)
        stopping.start()
        last = True
        try:
            kind, last, body = _ask(process, pickle.dumps(sheet))
        except (OSError, EOFError):
            log.warning("documents.press_stopped", template=sheet.template)
            raise TransientError(N_("This paper could not be printed just now. Try again in a moment.")) from None
        finally:
            stopping.cancel()
            if last:
                self._forget(process)
        if kind == DONE:
            return body
        if kind == REFUSED:
            raise _refusal(body)
        raise RuntimeError(f"Typst could not print a {sheet.template}: {body.decode()}")

    def _forget(self, process: "subprocess.Popen[bytes]") -> None:
        self._own.process = None
        self._running.discard(process)
        _stop_all({process})

    def _process(self) -> subprocess.Popen[bytes]:
        """This thread's process; a new one where there is none."""
        found: subprocess.Popen[bytes] | None = getattr(self._own, "process", None)
        if found is not None and found.poll() is not None:  # killed while it waited
            self._forget(found)
            found = None
        if found is None:
            found = subprocess.Popen(  # noqa: S603  one of ours
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, cwd=Path(sys.executable).parent
            )
            self._own.process = found
            self._running.add(found)
        return found


def _ask(process: subprocess.Popen[bytes], message: bytes) -> tuple[bytes, bool, bytes]:
    assert process.stdin
    assert process.stdout
    process.stdin.write(LENGTH.pack(len(message)) + message)
    process.stdin.flush()
    kind, last, length = ANSWER.unpack(_read(process.stdout, ANSWER.size))
    return kind, last, _read(process.stdout, length)


def _read(answers: IO[bytes], length: int) -> bytes:
    found = answers.read(length)
    if len(found) != length:
        raise EOFError
    return found


def _refusal(body: bytes) -> InvalidInput:
    said = json.loads(body)
    return InvalidInput(said["message"], errors=[FieldError(*error) for error in said["errors"]])


def _stop_all(processes: set["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                _close(pipe)
        process.wait()
    processes.clear()


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except OSError:  # what was not yet written has nobody to read it
        return
