"""ClamAV: bytes are streamed to clamd over its socket (the INSTREAM command), so that they need no shared disk."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
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
            async with self._connected() as line:
                with suppress(ConnectionError):  # clamd hangs up when it has had enough; its answer says why
                    await _send(line, content)
                answer = await _answer(line)
        except (OSError, TimeoutError) as error:
            raise TransientError(_AWAY) from error
        return _verdict(answer)

    async def reach(self) -> None:
        """See whether clamd answers. Raises `OSError`."""
        async with self._connected() as line:
            await asyncio.get_running_loop().sock_sendall(line, b"zPING\0")
            if await _answer(line) != "PONG":
                raise ConnectionError("clamd does not answer PING")

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[socket.socket]:
        """A bare socket: a stream of asyncio forgets what was answered when it can send no more."""
        local = self.address.startswith("/")
        host, _, port = self.address.rpartition(":")
        family = socket.AF_UNIX if local else socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as line:
            line.setblocking(False)
            async with asyncio.timeout(5):
                where = self.address if local else (host.strip("[]"), int(port))
                await asyncio.get_running_loop().sock_connect(line, where)
            yield line


async def _send(line: socket.socket, content: AsyncIterator[bytes]) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(line, b"zINSTREAM\0")
    async for whole in content:
        for start in range(0, len(whole), _PIECE):
            piece = whole[start : start + _PIECE]
            async with asyncio.timeout(_SECONDS):
                await loop.sock_sendall(line, struct.pack(">I", len(piece)) + piece)
    await loop.sock_sendall(line, struct.pack(">I", 0))


async def _answer(line: socket.socket) -> str:
    said = b""
    async with asyncio.timeout(_SECONDS):
        while piece := await asyncio.get_running_loop().sock_recv(line, 4096):
            said += piece
            if said.endswith(b"\0"):
                break
    return said.rstrip(b"\0").decode(errors="replace")


def _verdict(answer: str) -> str | None:
    """`stream: OK`, `stream: <name> FOUND`, or an error."""
    if answer == "stream: OK":
        return None
    if answer.endswith(" FOUND"):
        return answer.removeprefix("stream: ").removesuffix(" FOUND")
    if "size limit exceeded" in answer:
        raise FileRefused("not_scanned")
    raise TransientError(_AWAY)
