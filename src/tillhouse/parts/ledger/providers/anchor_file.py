"""Heads in a file: one JSON object a line, only ever appended, on the disk before the call returns."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import Head

log = get_logger(__name__)
_HEAD = TypeAdapter(Head)


@dataclass(frozen=True, slots=True)
class FileAnchor:
    """An `Anchor`. A line that a crash cut short is passed over, and the next one begins on a line of its own."""

    path: Path

    @property
    def place(self) -> str:
        return str(self.path)

    async def keep(self, head: Head) -> None:
        try:
            await asyncio.to_thread(self._append, head)
        except OSError as error:
            raise TransientError(
                N_("The head of the ledger's seal cannot be written to {path}: {reason}."),
                path=self.path,
                reason=str(error),
            ) from error

    async def kept(self) -> Sequence[Head]:
        return await asyncio.to_thread(lambda: list(self._read()))

    def _append(self, head: Head) -> None:
        last = next(reversed(list(self._read())), None)
        if last == head:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        existed = self.path.exists()
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(file).st_size
            torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            os.write(file, b"\n" * torn + _HEAD.dump_json(head) + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
        if not existed:
            _fsync_folder(self.path.parent)

    def _read(self) -> Iterator[Head]:
        if not self.path.exists():
            return
        for number, line in enumerate(self.path.read_bytes().splitlines(), start=1):
            try:
                yield _HEAD.validate_json(line)
            except ValidationError:
                log.warning("ledger_anchor_unreadable", path=str(self.path), line=number)


def _fsync_folder(folder: Path) -> None:
    """A new file is there after a power cut only when its folder has been written too."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
