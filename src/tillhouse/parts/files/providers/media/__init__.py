"""Recordings through PyAV, each in a process of its own.

Decoders of films are large, written in C, and fed by strangers: the child has no environment, no network, limits on
memory and time, opens nothing but the one file with the one demuxer, and its end is ours to decide.
"""

import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.text import N_
from tillhouse.parts.files.domain import MEDIA, FileRefused
from tillhouse.parts.files.ports import Rendition

_CHILD = Path(__file__).with_name("child.py")
_PROBE_SECONDS = 60.0
_NOT_PLAYABLE = 3  # the child's way to say so
_ANSWER = 1 << 20


@dataclass(frozen=True, slots=True)
class PyAv:
    """Runs the child. `longest` is how long one piece of work may take."""

    longest: timedelta

    async def probe(self, source: Path, media_type: str) -> JsonObject:
        """What is in a recording. Raises `FileRefused`, `TransientError`."""
        return await self._run(_PROBE_SECONDS, "probe", str(source), MEDIA[media_type])

    async def make(self, rendition: Rendition, source: Path, media_type: str, target: Path) -> tuple[str, JsonObject]:
        """Write a rendition. Raises `FileRefused`, `TransientError`."""
        seconds = self.longest.total_seconds()
        facts = await self._run(seconds, rendition, str(source), MEDIA[media_type], str(target))
        return str(facts.pop("media_type")), facts

    async def _run(self, seconds: float, *arguments: str) -> JsonObject:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", str(_CHILD), str(int(seconds)), *arguments,
            env={}, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            limit=_ANSWER,
        )  # fmt: skip
        try:
            async with asyncio.timeout(seconds):
                said, _ = await process.communicate()
        except TimeoutError as error:
            raise FileRefused("not_playable") from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode == _NOT_PLAYABLE:
            raise FileRefused("not_playable")
        if process.returncode != 0:  # killed from outside, out of memory, or a decoder that crashed
            raise TransientError(N_("The work on this recording was cut off. It is tried again."))
        found: JsonObject = json.loads(said)
        return found
