"""A web process of its own, and a client that costs little: plain HTTP/1.1 over kept connections."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice

import httpx
import psutil

from tillhouse.kernel.ids import new_id


@dataclass(frozen=True)
class Web:
    """A web process that answers."""

    port: int
    process: psutil.Process


@contextmanager
def web_process(database_url: str, *modules: str, **environment: str) -> Iterator["Web"]:
    """`till serve` with these modules on a free port, until the block ends."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tillhouse.apps.cli", "serve", *modules, "--port", str(port)],
        env={**os.environ, "DATABASE_URL": database_url, "LOG_LEVEL": "warning", **environment},
    )
    try:
        while not _answers(port):
            time.sleep(0.1)
        yield Web(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/live").status_code == 200
    except httpx.TransportError:
        return False


async def rate(*ports: int, request: Callable[[], bytes], connections: int, seconds: float) -> float:
    """How many requests a second are answered with success, by these processes together; any other ends the run."""
    done, counting, end = 0, False, time.perf_counter() + 1

    async def client(port: int) -> None:
        nonlocal done
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            writer.write(request())
            head, answer = await _answer(reader)
            assert head.startswith(b"HTTP/1.1 20"), (head, answer)
            done += counting
        writer.close()

    clients = list(islice(cycle(ports), connections))
    await asyncio.gather(*(client(port) for port in clients))
    counting, started = True, time.perf_counter()
    end = started + seconds
    await asyncio.gather(*(client(port) for port in clients))
    return done / (time.perf_counter() - started)


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower()
    if b"transfer-encoding: chunked" not in lines:
        return head, await reader.readexactly(int(lines.partition(b"content-length: ")[2].partition(b"\r")[0]))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return head, body


def post(path: str, body: object, *, key: str = "") -> bytes:
    """A request with an `Idempotency-Key` of its own, and with a bearer `key` where one is needed."""
    text = json.dumps(body).encode()
    bearer = f"Authorization: Bearer {key}\r\n" if key else ""
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{bearer}"
        f"Idempotency-Key: {new_id()}\r\nContent-Length: {len(text)}\r\n\r\n"
    ).encode() + text
