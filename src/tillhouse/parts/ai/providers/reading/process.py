"""The house's side of reading: starts the child, gives it the bytes, takes its pages, and ends it when it hangs."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tillhouse.kernel.house import House
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.settings import environment
from tillhouse.parts.ai.domain.reading import Limits, Unreadable, from_wire
from tillhouse.parts.ai.ports.reading import Known, Reader, Total, What
from tillhouse.parts.ai.providers.reading.settings import ReadingSettings
from tillhouse.parts.ai.providers.reading.wire import Request

_log = get_logger("tillhouse.ai.reading")

_START_SECONDS = 60.0  # for Python and the libraries of a format to load, on a machine that is busy
_LONGEST_LINE = 256_000_000
_CHILD = "tillhouse.parts.ai.providers.reading.child"


def provided(house: House) -> Sequence[object]:
    """The reader, as the settings say."""
    return (Reader(ReadingProcess(house.settings_of(ReadingSettings)).read),)


@dataclass(frozen=True, slots=True)
class ReadingProcess:
    """Reads each document in a process of its own."""

    settings: ReadingSettings

    async def read(
        self, content: bytes, media_type: str, name: str, languages: Sequence[str], known: Sequence[str]
    ) -> AsyncGenerator[What, None]:
        """What `ports.reading.Reader` says. Closing the generator ends the process."""
        process = await _start()
        giving = asyncio.create_task(_give(process, self._request(media_type, name, languages, known), content))
        try:
            async for what in self._taken(process):
                yield what
        finally:
            giving.cancel()
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            with suppress(asyncio.CancelledError, ConnectionError):
                await giving

    async def _taken(self, process: Process) -> AsyncGenerator[What, None]:
        number, seconds = 0, _START_SECONDS + self.settings.page_seconds
        while True:
            message = await _message(process, seconds, number + 1)
            if "done" in message:
                return
            what = _what(message)
            number = what.number if not isinstance(what, Total) else 0
            seconds = float(self.settings.page_seconds) + (_START_SECONDS if number == 0 else 0.0)
            yield what

    def _request(self, media_type: str, name: str, languages: Sequence[str], known: Sequence[str]) -> Request:
        settings = self.settings
        limits = Limits(
            pages=settings.pages_most,
            unpacked_bytes=settings.unpacked_megabytes * 1_000_000,
            page_seconds=float(settings.page_seconds),
        )
        return Request(
            media_type=media_type, name=name, languages=tuple(languages), known=tuple(known), ocr=settings.ocr,
            threads=settings.ocr_threads, memory_bytes=settings.memory_megabytes * 1_000_000, limits=limits,
        )  # fmt: skip


async def _start() -> Process:
    # Isolated (-I), and with an environment that holds no setting of the house: whoever breaks it finds no secret.
    given = {"PATH": environment().get("PATH", os.defpath), "LANG": "C.UTF-8", "OMP_NUM_THREADS": "2"}
    arguments = (sys.executable, "-I", "-m", _CHILD)
    return await asyncio.create_subprocess_exec(
        *arguments, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=given, limit=_LONGEST_LINE
    )


async def _give(process: Process, request: Request, content: bytes) -> None:
    assert process.stdin
    with suppress(ConnectionError):  # it ended already, and said why
        process.stdin.write(json.dumps(request.to_json()).encode() + b"\n")
        process.stdin.write(content)
        await process.stdin.drain()
        process.stdin.close()


async def _message(process: Process, seconds: float, page: int) -> dict[str, dict[str, object]]:
    assert process.stdout
    try:
        async with asyncio.timeout(seconds):
            line = await process.stdout.readline()
    except TimeoutError:
        raise Unreadable("page_too_slow", page) from None
    if not line:  # it was ended: by its limit of memory, or by a fault in a library
        _log.warning("reading ended early", page=page, status=await process.wait())
        raise Unreadable("damaged", page)
    message: dict[str, dict[str, object]] = json.loads(line)
    if "failed" in message:
        failed = message["failed"]
        if "error" in failed:
            _log.warning("reading failed", page=page, error=str(failed["error"]))
        raise Unreadable(str(failed["reason"]), int(str(failed["page"])), int(str(failed["most"])))
    return message


def _what(message: dict[str, dict[str, object]]) -> What:
    if "total" in message:
        return Total(int(str(message["total"])))
    if "known" in message:
        return Known(int(str(message["known"]["number"])), str(message["known"]["fingerprint"]))
    return from_wire(message["page"])
