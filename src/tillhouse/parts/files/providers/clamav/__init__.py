"""ClamAV: bytes are streamed to clamd over its socket (the INSTREAM command), so that they need no shared disk."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from tillhouse.kernel.db import in_transaction
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.text import N_
from tillhouse.parts.files.domain import FileRefused

_PIECE = 1 << 18  # bytes of one INSTREAM piece; clamd holds one at a time
_SECONDS = 120.0  # without a word from clamd
_AWAY = N_("The virus scanner cannot be reached right now. Nothing was kept: try again.")


@dataclass(frozen=True, slots=True)
class ClamAv:
    """clamd at a path of a socket, or at `host:port`."""

    address: str

    async def scan(self, content: AsyncIterator[bytes]) -> str | None:
        """What clamd found, None for nothing. Raises `TransientError`; `FileRefused` for more than clamd takes."""
        if in_transaction():
            raise RuntimeError("a file is scanned while a transaction is open: commit the intent first")
        try:
            reader, writer = await self._open()
        except OSError as error:
            raise TransientError(_AWAY) from error
        try:
            with suppress(ConnectionError):  # clamd closes when it has had enough: its answer says why
                await self._send(writer, content)
            async with asyncio.timeout(_SECONDS):
                answer = (await reader.read()).rstrip(b"\0").decode(errors="replace")
        except (OSError, TimeoutError) as error:
            raise TransientError(_AWAY) from error
        finally:
            writer.close()
        return _verdict(answer)

    async def reach(self) -> None:
        """See whether clamd answers. Raises `OSError`."""
        reader, writer = await self._open()
        try:
            writer.write(b"zPING\0")
            await writer.drain()
            if await reader.read() != b"PONG\0":
                raise ConnectionError("clamd does not answer PING")
        finally:
            writer.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(5):
            if self.address.startswith("/"):
                return await asyncio.open_unix_connection(self.address)
            host, _, port = self.address.rpartition(":")
            return await asyncio.open_connection(host, int(port))

    async def _send(self, writer: asyncio.StreamWriter, content: AsyncIterator[bytes]) -> None:
        writer.write(b"zINSTREAM\0")
        async for whole in content:
            for start in range(0, len(whole), _PIECE):
                piece = whole[start : start + _PIECE]
                writer.write(struct.pack(">I", len(piece)) + piece)
                async with asyncio.timeout(_SECONDS):
                    await writer.drain()
        writer.write(struct.pack(">I", 0))
        await writer.drain()


def _verdict(answer: str) -> str | None:
    """`stream: OK`, `stream: <name> FOUND`, or an error."""
    if answer == "stream: OK":
        return None
    if answer.endswith(" FOUND"):
        return answer.removeprefix("stream: ").removesuffix(" FOUND")
    if "size limit exceeded" in answer:
        raise FileRefused("not_scanned")
    raise TransientError(_AWAY)
