"""Events of providers: how many a second are verified, stored and answered, and how soon they are settled.

    ./till bench payments [--seconds 5] [--rounds 3] [--settle-seconds 10] [--settle-rate 100] [--json FILE]

Starts an embedded PostgreSQL in a temporary folder (fsync on) and one web process. *The door*: signed events of
Razorpay, each of its own, over 64 kept connections; first as fast as they are answered, then at 1,000 a second, timed
from when each was due. Relay and worker do not run meanwhile. *Settling*: orders are made and paid in the sandbox,
relay and a worker of the lane `money` run, and one `payment.captured` for each comes in at a fixed rate; an event is
settled when the gateway was asked and the wallet is credited. Server, web process, relay, worker, sandbox and the
sender of the events share the machine's processors.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import psutil

from bench.cost import Cost
from bench.ledger_http import free_port, web_process
from tillhouse.apps import migrate
from tillhouse.apps.compose import build_house
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.dsn import plain_dsn
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.payments import api

CONNECTIONS = 64
OFFERED = 1_000  # events a second
SECRET = b"rzp_test_webhook_secret_tillhouse"  # the sandbox's own, public
GOAL_SECONDS = 2.0


@dataclass(frozen=True)
class Event:
    """One event as it goes over the wire."""

    request: bytes


@dataclass
class Found:
    """What the rounds found, by name."""

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def report(self, name: str, value: float, unit: str) -> None:
        self.rounds.setdefault(f"{name} ({unit})", []).append(value)
        print(f"  {name:<62} {value:>10,.1f} {unit}", flush=True)

    @property
    def middle(self) -> dict[str, float]:
        return {name: round(statistics.median(values), 1) for name, values in self.rounds.items()}


def event(payment_id: str, order_id: str, amount: int) -> Event:
    """A signed `payment.captured`, as Razorpay sends it, shortened to what is read of it and some more."""
    entity = {
        "id": payment_id, "entity": "payment", "amount": amount, "currency": "INR", "status": "captured",
        "order_id": order_id, "method": "upi", "captured": True, "vpa": "success@razorpay", "email": "a@example.com",
        "contact": "+919999999999", "notes": [], "fee": 354, "tax": 54, "created_at": 1_772_443_800,
    }  # fmt: skip
    body = json.dumps(
        {
            "entity": "event", "account_id": "acc_TillhouseTest1", "event": "payment.captured",
            "contains": ["payment"], "payload": {"payment": {"entity": entity}}, "created_at": 1_772_443_800,
        }
    ).encode()  # fmt: skip
    signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    head = (
        "POST /api/v1/payments/webhook/razorpay HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"X-Razorpay-Signature: {signature}\r\nX-Razorpay-Event-Id: {new_id().hex[:20]}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Event(head.encode() + body)


def stranger() -> Event:
    """An event about an order that is not ours: it is verified, stored and answered like any other."""
    return event(f"pay_{new_id().hex[-14:]}", f"order_{new_id().hex[-14:]}", 15_000)


async def send(port: int, source: Callable[[], Event | None], *, pace: float | None) -> list[float]:
    """Send events until there is none; returns how long each took, in seconds.

    With a `pace` (events a second) each is due at a time of its own, and is timed from then, whether or not a
    connection was free: a door that falls behind shows.
    """
    took: list[float] = []
    started, number = time.perf_counter(), 0

    async def client() -> None:
        nonlocal number
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (one := source()) is not None:
            due = time.perf_counter()
            if pace:
                due, number = started + number / pace, number + 1
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(one.request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            answer = await reader.readexactly(length)
            assert head.startswith(b"HTTP/1.1 200"), (head, answer)
            took.append(time.perf_counter() - due)
        writer.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return took


def until(end: float, ready: list[Event]) -> Callable[[], Event | None]:
    return lambda: ready.pop() if ready and time.perf_counter() < end else None


async def door(found: Found, server: EmbeddedPostgres, seconds: float) -> None:
    with web_process(server.app_url, "payments") as web:
        port = web.port
        await send(port, until(time.perf_counter() + 2, [stranger() for _ in range(500)]), pace=None)
        ready = [stranger() for _ in range(round(3_000 * seconds))]
        cost, started = Cost(server, web.process), time.perf_counter()
        took = await send(port, until(started + seconds, ready), pace=None)
        found.report("door: answered", len(took) / (time.perf_counter() - started), "/s")
        found.report("door: p99", 1_000 * percentile(took, 99), "ms")
        ours, servers = cost.per(len(took))
        found.report("door: processor time of the web process for an event", ours, "us")
        found.report("door: processor time of PostgreSQL for an event", servers, "us")
        ready = [stranger() for _ in range(round(OFFERED * seconds))]
        started = time.perf_counter()
        took = await send(port, until(started + 10 * seconds, ready), pace=OFFERED)
        found.report(f"door at {OFFERED:,}/s: answered", len(took) / (time.perf_counter() - started), "/s")
        found.report(f"door at {OFFERED:,}/s: p50", 1_000 * percentile(took, 50), "ms")
        found.report(f"door at {OFFERED:,}/s: p99", 1_000 * percentile(took, 99), "ms")


async def settling(found: Found, server: EmbeddedPostgres, given: argparse.Namespace) -> None:
    sandbox = f"http://127.0.0.1:{free_port()}"
    environment = {"DATABASE_URL": server.app_url, "SANDBOX_URL": sandbox, "LOG_LEVEL": "warning"}
    os.environ |= environment
    probe = await asyncpg.connect(plain_dsn(server.owner_url))
    nobody = f"http://127.0.0.1:{free_port()}/"  # the sandbox's own events go nowhere: ours come at their rate
    with running("tillhouse.sandbox", "--port", sandbox.rpartition(":")[2], SANDBOX_RAZORPAY_WEBHOOK_URL=nobody):
        await answering(f"{sandbox}/_sandbox/")
        settings = KernelSettings.load()
        configure_logs(settings)
        house = build_house(settings, serve=["payments"], process="bench")
        ready = await paid_orders(house, sandbox, round(given.settle_rate * given.settle_seconds))
        with (
            running("tillhouse.apps.cli", "relay") as relay,
            running("tillhouse.apps.cli", "worker", "--lane", "money") as worker,
            web_process(server.app_url, "payments", **environment) as web,
        ):
            await settled(probe, await paid_orders(house, sandbox, 5), web.port, pace=5)  # until all are warm
            before, costs = len(ready), [Cost(server, process) for process in (relay, worker, web.process)]
            delays = await settled(probe, ready, web.port, pace=given.settle_rate)
            spent = [cost.per(before) for cost in costs]
        await house.close()
    await probe.close()
    name = f"settling at {given.settle_rate}/s"
    found.report(f"{name}: p50 from answered to settled", percentile(delays, 50), "s")
    found.report(f"{name}: p99 from answered to settled", percentile(delays, 99), "s")
    for who, (ours, _) in zip(("relay", "worker", "web process"), spent, strict=True):
        found.report(f"{name}: processor time of the {who} for an event", ours, "us")
    found.report(f"{name}: processor time of PostgreSQL for an event", spent[0][1], "us")
    found.report(
        f"{name}: within {GOAL_SECONDS:.0f} s", 100 * sum(one <= GOAL_SECONDS for one in delays) / len(delays), "%"
    )


async def paid_orders(house: House, sandbox: str, count: int) -> list[Event]:
    """Orders of as many people, each paid at the gateway, of which nobody has told us."""
    made: list[Event] = []
    left = iter(range(count))

    async def make() -> None:
        async with httpx.AsyncClient(base_url=sandbox, timeout=60) as client:
            for _ in left:
                wish = api.NewOrder(
                    owner_kind="person", owner_id=new_id(), amount=Money(15_000, "INR"), purpose="wallet_deposit",
                    request_key=new_id().hex,
                )  # fmt: skip
                order = await api.start_order(house, wish)
                answer = await client.post(f"/_sandbox/razorpay/orders/{order.provider_order_id}/pay", json={})
                proof = answer.raise_for_status().json()
                made.append(event(proof["razorpay_payment_id"], proof["razorpay_order_id"], 15_000))
                if len(made) % 100 == 0:
                    print(f"  {len(made):,} of {count:,} orders are paid", flush=True)

    await asyncio.gather(*(make() for _ in range(8)))
    return made


async def settled(probe: "asyncpg.Connection", ready: list[Event], port: int, *, pace: float) -> list[float]:
    """Send the events at that pace; returns how long after being stored each was settled, in seconds."""
    count = len(ready)
    earlier = await probe.fetchval("SELECT count(*) FROM payments.provider_events")
    await send(port, lambda: ready.pop() if ready else None, pace=pace)
    query = "SELECT count(*) FROM payments.provider_events WHERE state <> 'received'"
    while (await probe.fetchval(query)) < earlier + count:  # noqa: ASYNC110  another process does the work
        await asyncio.sleep(0.1)
    rows = await probe.fetch(
        "SELECT state, handled_at - received_at AS took FROM payments.provider_events ORDER BY received_at OFFSET $1",
        earlier,
    )
    assert [row["state"] for row in rows] == ["processed"] * count, {row["state"] for row in rows}
    return [row["took"].total_seconds() for row in rows]


async def answering(url: str) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(600):
            try:
                await client.get(url)
                return
            except httpx.TransportError:
                await asyncio.sleep(0.1)
    raise TimeoutError(url)


@contextmanager
def running(module: str, *arguments: str, **environment: str) -> Iterator[psutil.Process]:
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], env={**os.environ, **environment})
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


async def measure(server: EmbeddedPostgres, given: argparse.Namespace) -> dict[str, object]:
    found = Found()
    for number in range(given.rounds):
        print(f"round {number + 1} of {given.rounds}", flush=True)
        await door(found, server, given.seconds)
    owner = await asyncpg.connect(plain_dsn(server.owner_url))
    # What came in at the door was about orders of nobody: relay and worker do not have to look at it.
    await owner.execute("UPDATE kernel.jobs SET state = 'cancelled', finished_at = now()")
    await owner.execute("UPDATE payments.provider_events SET state = 'ignored', handled_at = now()")
    await owner.close()
    if given.settle_seconds:
        print(f"settling, {given.settle_rate} a second for {given.settle_seconds:.0f} s", flush=True)
        await settling(found, server, given)
    settings = {"processors": os.cpu_count(), "machine": platform.machine(), "fsync": "on", "connections": CONNECTIONS}
    return {"settings": settings, "found": found.middle}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="how long the door is knocked at (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="how often (default 3)")
    parser.add_argument("--settle-seconds", type=float, default=10, help="how long events are settled (default 10)")
    parser.add_argument("--settle-rate", type=int, default=100, help="events a second to be settled (default 100)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found to this file, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder), durable=True) as server:
        migrate.upgrade(server.owner_url)
        found = asyncio.run(measure(server, given))
    print("the middle of the rounds")
    for name, value in found["found"].items():  # type: ignore[attr-defined]  # as made above
        print(f"  {name:<68} {value:>10,.1f}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
