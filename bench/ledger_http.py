"""A web process of its own, and a client that costs little: plain HTTP/1.1 over kept connections."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from tillhouse.kernel.ids import new_id


@contextmanager
def web_process(database_url: str) -> Iterator[int]:
    """`till serve ledger identity` on a free port, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tillhouse.apps.cli", "serve", "ledger", "identity", "--port", str(port)],
        env={**os.environ, "DATABASE_URL": database_url, "LOG_LEVEL": "warning"},
    )
    try:
        while not _answers(port):
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/live").status_code == 200
    except httpx.TransportError:
        return False


async def rate(port: int, key: str, body: Callable[[], bytes], *, connections: int, seconds: float) -> float:
    """How many POSTs a second are answered with 201; any other answer ends the run."""
    done, counting, end = 0, False, time.perf_counter() + 1

    async def client() -> None:
        nonlocal done
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            writer.write(_request(key, body()))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            answer = await reader.readexactly(length)
            assert head.startswith(b"HTTP/1.1 201"), (head, answer)
            done += counting
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    counting, started = True, time.perf_counter()
    end = started + seconds
    await asyncio.gather(*(client() for _ in range(connections)))
    return done / (time.perf_counter() - started)


def _request(key: str, body: bytes) -> bytes:
    return (
        "POST /api/v1/ledger/transactions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nIdempotency-Key: {new_id()}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
