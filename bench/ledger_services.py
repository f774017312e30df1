"""Peers that are programs of their own: Formance's ledger and Blnk over HTTP, django-hordak in its own venv."""

import argparse
import asyncio
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
from sqlalchemy.engine import make_url

from bench import ledger_http
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.dsn import plain_dsn
from tillhouse.kernel.ids import new_id

BULK = 50
_ROOT = Path(__file__).parent.parent
Report = Callable[[str, float], None]
Body = dict[str, object] | list[dict[str, object]]


@dataclass
class Service:
    """A peer that runs, and the two requests that it is asked."""

    name: str
    port: int
    processes: Sequence[subprocess.Popen[bytes]]
    single: Callable[[], bytes]
    bulk: Callable[[], bytes]

    async def measure(self, report: Report, seconds: float) -> None:
        found = await ledger_http.rate(self.port, request=self.single, connections=32, seconds=seconds)
        report(f"{self.name}: single, 32 connections", found)
        found = await ledger_http.rate(self.port, request=self.bulk, connections=8, seconds=seconds)
        report(f"{self.name}: bulk of {BULK}", BULK * found)

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
            process.wait(20)


async def prepare(server: EmbeddedPostgres, given: argparse.Namespace, accounts: int) -> list[Service]:
    """Start the peers that were named, each with a database of its own on the server, or on the one for peers."""
    url = given.peers_database or _superuser(server, "postgres")
    found = []
    if given.formance:
        found.append(await _formance(given.formance, await _database(url, "formance"), accounts))
    if given.blnk:
        found.append(await _blnk(given.blnk, await _database(url, "blnk"), accounts))
    return found


async def _formance(binary: Path, database: str, accounts: int) -> Service:
    """`force`: no balance is checked, which spares it what our own accounts with a floor cost."""
    port = ledger_http.free_port()
    arguments = ["serve", "--bind", f"127.0.0.1:{port}", "--postgres-uri", database, "--auto-upgrade"]
    process = _start([str(binary), *arguments])
    await _ready(port, "/_healthcheck")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        (await client.post("/v2/bench", json={})).raise_for_status()

    def transaction() -> dict[str, object]:
        a, b = random.sample(range(accounts), 2)
        posting = {"source": f"customers:{a}", "destination": f"customers:{b}", "amount": 1, "asset": "INR/2"}
        return {"postings": [posting], "metadata": {}, "force": True}

    def bulk() -> bytes:
        each = [{"action": "CREATE_TRANSACTION", "ik": str(new_id()), "data": transaction()} for _ in range(BULK)]
        return ledger_http.post("/v2/bench/_bulk", each)

    return Service("Formance", port, [process], lambda: ledger_http.post("/v2/bench/transactions", transaction()), bulk)


async def _blnk(binary: Path, database: str, accounts: int) -> Service:
    """`skip_queue`: answered when it is committed; otherwise Blnk answers when it is queued in Redis."""
    port, redis, folder = ledger_http.free_port(), ledger_http.free_port(), Path(tempfile.mkdtemp())
    store = _start(["redis-server", "--port", str(redis), "--appendonly", "yes", "--dir", str(folder)])
    settings = {
        "BLNK_PROJECT_NAME": "bench",
        "BLNK_DATA_SOURCE_DNS": database,
        "BLNK_REDIS_DNS": f"127.0.0.1:{redis}",
        "BLNK_SERVER_PORT": str(port),
    }
    environment = {**os.environ, **settings}
    migrate = [str(binary), "migrate", "up"]
    await asyncio.to_thread(subprocess.run, migrate, check=True, capture_output=True, env=environment, cwd=folder)
    process = _start([str(binary), "start"], environment=environment, folder=folder)
    await _ready(port, "/")

    def transaction() -> dict[str, object]:
        a, b = random.sample(range(accounts), 2)
        return {
            "amount": 1.00, "precision": 100, "currency": "INR", "reference": str(new_id()), "description": "bench",
            "source": f"@customer-{a}", "destination": f"@customer-{b}", "allow_overdraft": True, "skip_queue": True,
        }  # fmt: skip

    def bulk() -> bytes:
        each = [transaction() for _ in range(BULK)]
        return ledger_http.post("/transactions/bulk", {"atomic": True, "skip_queue": True, "transactions": each})

    return Service("Blnk", port, [process, store], lambda: ledger_http.post("/transactions", transaction()), bulk)


def hordak(report: Report, server: EmbeddedPostgres, seconds: float) -> None:
    """django-hordak, installed from PyPI when it is not there yet: it is no dependency of ours."""
    python = _ROOT / ".till/bench/hordak/bin/python"
    if not python.exists():
        print("  installing django-hordak in .till/bench/hordak", flush=True)
        subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "django-hordak", "psycopg[binary]"], check=True)
    command = [python, _ROOT / "bench/ledger_hordak.py", _superuser(server, "postgres"), str(seconds)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name, found in re.findall(r"^(.+)=([0-9.]+)$", said, re.MULTILINE):
        report(f"django-hordak: {name}", float(found))


async def _database(url: str, name: str) -> str:
    admin = await asyncpg.connect(url)
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    return make_url(url).set(database=name).render_as_string(hide_password=False) + "?sslmode=disable"


def _superuser(server: EmbeddedPostgres, database: str) -> str:
    url = make_url(plain_dsn(server.superuser_dsn)).set(drivername="postgresql", database=database)
    return url.render_as_string(hide_password=False)


def _start(
    command: Sequence[str], *, environment: dict[str, str] | None = None, folder: Path | None = None
) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment, cwd=folder)


async def _ready(port: int, path: str) -> None:
    end = time.monotonic() + 120
    async with httpx.AsyncClient() as client:
        while time.monotonic() < end:
            try:
                if (await client.get(f"http://127.0.0.1:{port}{path}")).status_code < 500:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)
    raise TimeoutError(f"nothing answers on port {port}")
