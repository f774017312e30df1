"""Webhooks of WhatsApp: how fast they are answered at a steady rate, and how long until each is in the house.

    python -m bench.channels [--rate 50] [--seconds 20] [--not-durable]

Starts an embedded PostgreSQL in a temporary folder (fsync on unless told otherwise), one web process with uvicorn, a
relay and a worker, whose flow takes note of what everybody writes. Deliveries are signed as Meta signs them, each from
a contact and with a message of its own, and are sent by the clock, not by the answers: a slow answer holds back nobody.
Promised: p50 < 250 ms, p99 < 1 s at 50/s. Prints how fast they were answered, how soon each was read and handled by its
conversation, when the last was, the processor time of each process for a message, what each holds of memory (PSS), and
how long it all took to begin.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import psutil
import uvicorn

from bench.cost import Cost
from tillhouse.apps import migrate
from tillhouse.apps.compose import build_house, create_app
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.apps.relay import relay
from tillhouse.apps.worker import run_worker
from tillhouse.kernel.dsn import plain_dsn
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.channels.api import STAY, Conversation, State, Text
from tillhouse.parts.channels.manifest import MODULE as CHANNELS
from tillhouse.parts.files.manifest import MODULE as FILES
from tillhouse.parts.identity.manifest import MODULE as IDENTITY

_SECRET = "whatsapp_test_app_secret_tillhouse"
_PATIENCE = 60.0  # seconds until all has to be in the house
_P50, _P99 = 0.250, 1.0
_NOTES = Conversation(
    name="bench.notes", version=1, begins="listens", states=(State("listens", accepts=(Text("said", to=STAY),)),)
)


def house_for(process: str) -> House:
    settings = KernelSettings.load()
    configure_logs(settings)
    house = build_house(settings, catalogue=(IDENTITY, FILES, CHANNELS), process=process)
    house.provide([_NOTES])
    return house


def be_web(port: int) -> None:
    uvicorn.run(create_app(house_for("channels")), host="127.0.0.1", port=port, log_level="error", access_log=False)


def delivery(number: int) -> bytes:
    """A message as Meta delivers it: every fifth contact writes again."""
    phone = f"9198{number % 2000:08d}"
    message = {
        "from": phone,
        "id": f"wamid.bench{number}",
        "timestamp": str(int(time.time())),
        "type": "text",
        "text": {"body": f"message {number}"},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100200", "phone_number_id": "100000000000001"},
        "contacts": [{"profile": {"name": f"Person {number}"}, "wa_id": phone}],
        "messages": [message],
    }
    entry = {"id": "200000000000002", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


async def measure(
    url: str, server: EmbeddedPostgres, started_processes: dict[str, psutil.Process], rate: int, seconds: int
) -> bool:
    begun = time.monotonic()
    probe = await asyncpg.connect(plain_dsn(server.app_url))
    async with httpx.AsyncClient(
        timeout=30.0, trust_env=False, limits=httpx.Limits(max_connections=500, keepalive_expiry=2.0)
    ) as client:
        await answer(client, url)
        print(f"cold start: the web process answers after {time.monotonic() - begun:.1f} s", end=", ")
        for number in range(20):  # until everything is warm
            await deliver(client, url, -1 - number)
        await until_handled(probe, 20)
        print(f"the first 20 messages were handled after {time.monotonic() - begun:.1f} s")
        costs = {who: Cost(server, process) for who, process in started_processes.items()}
        started, tasks = time.monotonic(), []
        for number in range(rate * seconds):
            await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
            tasks.append(asyncio.create_task(deliver(client, url, number)))
        taken = sorted(await asyncio.gather(*tasks))
        whole = time.monotonic() - started
        p50, p99 = statistics.median(taken), taken[int(len(taken) * 0.99) - 1]
        print(f"answered at {len(taken) / whole:.0f}/s: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms,"
              f" slowest {taken[-1] * 1000:.0f} ms")  # fmt: skip
        await until_handled(probe, len(taken) + 20)
        done = time.monotonic() - started
        spent = {who: cost.per(len(taken)) for who, cost in costs.items()}
    print(
        f"worked off: all handled {done - whole:.1f} s after the last was answered, {done:.1f} s after the first came"
    )
    await report(probe)
    await probe.close()
    each = {**{who: ours for who, (ours, _) in spent.items()}, "PostgreSQL": spent["worker"][1]}
    print(f"processor time for a message: {sum(each.values()) / 1000:.1f} ms ("
          + ", ".join(f"{who} {one / 1000:.1f}" for who, one in each.items()) + ")")  # fmt: skip
    held = {who: process.memory_full_info().pss / 2**20 for who, process in started_processes.items()}
    print("memory (PSS): " + ", ".join(f"{who} {megabytes:.0f} MB" for who, megabytes in held.items()))
    return p50 < _P50 and p99 < _P99


async def until_handled(probe: asyncpg.Connection, expected: int) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found = await probe.fetchval("SELECT count(*) FROM channels.inbound WHERE handled_at IS NOT NULL")
        if found >= expected:
            return
        await asyncio.sleep(0.1)
    raise SystemExit("not every message came into the house and was handled")


async def report(probe: asyncpg.Connection) -> None:
    """How soon each was read after it was stored, and handled after it was read."""
    for what, since, until, rows in (
        ("read by a job", "created_at", "finished_at", "kernel.jobs WHERE name = 'channels.take_in'"),
        ("then handled by its conversation", "created_at", "handled_at", "channels.inbound"),
    ):
        took = f"extract(epoch FROM {until} - {since})"
        shares = f"percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY {took})"
        p50, p99 = await probe.fetchval(f"SELECT {shares} FROM {rows}")
        print(f"{what}: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms later")


async def deliver(client: httpx.AsyncClient, url: str, number: int) -> float:
    body = delivery(number)
    signature = "sha256=" + hmac.new(_SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature}
    started = time.monotonic()
    answered = await client.post(f"{url}/api/v1/channels/webhook/whatsapp", content=body, headers=headers)
    answered.raise_for_status()
    return time.monotonic() - started


async def answer(client: httpx.AsyncClient, url: str) -> None:
    """Wait for the web process."""
    for _ in range(1200):
        try:
            if (await client.get(f"{url}/health/live")).status_code < 500:  # somebody answers
                return
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.1)
    raise SystemExit("the web process did not start")


@contextmanager
def processes(commands: Mapping[str, Sequence[str]]) -> Iterator[dict[str, psutil.Process]]:
    started = [subprocess.Popen([sys.executable, "-m", "bench.channels", *command]) for command in commands.values()]
    try:
        yield {who: psutil.Process(one.pid) for who, one in zip(commands, started, strict=True)}
    finally:
        for one in started:
            one.send_signal(signal.SIGTERM)
        for who, one in zip(commands, started, strict=True):
            try:
                one.wait(60)  # what it measured is printed: the end of an interpreter on a busy machine changes nothing
            except subprocess.TimeoutExpired:
                print(f"{who} did not stop within a minute and was killed", file=sys.stderr)
                one.kill()
                one.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def main() -> None:
    parser = argparse.ArgumentParser(prog="till bench channels", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rate", type=int, default=50, help="deliveries a second")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--not-durable", action="store_true", help="without fsync")
    parser.add_argument("--be", choices=["web", "relay", "worker"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.be == "web":
        be_web(chosen.port)
    elif chosen.be == "relay":
        asyncio.run(relay(house_for("relay")))
    elif chosen.be == "worker":
        run_worker(lambda: house_for("channels-worker"))
    else:
        run(chosen.rate, chosen.seconds, durable=not chosen.not_durable)


def run(rate: int, seconds: int, *, durable: bool) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "postgres", durable=durable) as postgres,
    ):
        migrate.upgrade(postgres.owner_url)
        os.environ.update(
            DATABASE_URL=postgres.app_url,
            ENVIRONMENT="test",
            LOG_LEVEL="ERROR",
            DATA_FOLDER=folder,
            METRICS_LISTEN="",
            WHATSAPP_ACCESS_TOKEN="",  # nobody out there is told that it was read
        )
        port = free_port()
        commands = {
            "web": ["--be", "web", "--port", str(port)],
            "relay": ["--be", "relay"],
            "worker": ["--be", "worker"],
        }
        with processes(commands) as running:
            good = asyncio.run(measure(f"http://127.0.0.1:{port}", postgres, running, rate, seconds))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
