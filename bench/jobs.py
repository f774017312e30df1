"""1,000 jobs through relay, broker and worker: throughput, and the time from commit to done.

    python -m bench.jobs [--jobs 1000] [--broker redis://127.0.0.1:6379/0] [--not-durable]

Starts an embedded PostgreSQL in a temporary folder (fsync on unless told otherwise), a relay and the lanes' workers.
First one job after another (latency when idle), then all at once (throughput; latency under load).
"""

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import asyncpg
import psutil

from tillhouse.apps import migrate
from tillhouse.apps.compose import build_house
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.apps.relay import relay
from tillhouse.apps.worker import run_worker
from tillhouse.kernel.db import Session
from tillhouse.kernel.dsn import plain_dsn
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import Job, Task, enqueue, task


@task("bench.nothing", lane="money")
class Nothing(Task):
    number: int


async def nothing(_session: Session, _task: Nothing) -> None:
    """The house's own cost is measured, not a job's."""


MODULE = Module(
    name="bench",
    title="Bench",
    floor="part",
    folder=Path(__file__).parent,
    jobs=lambda: (Job(task=Nothing, run=nothing),),
)


def house_for(process: str) -> House:
    settings = KernelSettings.load()
    configure_logs(settings)
    return build_house(settings, catalogue=(MODULE,), process=process)


def be_worker() -> None:
    run_worker(lambda: house_for("worker"))


async def be_relay() -> None:
    await relay(house_for("relay"))


async def measure(house: House, jobs: int) -> None:
    probe = await asyncpg.connect(plain_dsn(house.settings.database_url))
    await one_after_another(house, probe, 10)  # until everything is warm
    await one_after_another(house, probe, 50)
    report("one after another", await seconds(probe))
    await probe.execute("DELETE FROM kernel.jobs")
    started = time.monotonic()
    for first in range(0, jobs, 10):
        await ask(house, range(first, first + 10))
    await until_done(probe, jobs)
    took = time.monotonic() - started
    report(f"{jobs} at once: {jobs / took:.0f} jobs/s", await seconds(probe))
    await probe.close()


async def one_after_another(house: House, probe: "asyncpg.Connection", jobs: int) -> None:
    await probe.execute("DELETE FROM kernel.jobs")
    for number in range(jobs):
        await ask(house, [number])
        await until_done(probe, number + 1)


async def ask(house: House, numbers: Sequence[int]) -> None:
    async with house.database.transaction() as session:
        for number in numbers:
            await enqueue(session, Nothing(number=number))


async def until_done(probe: "asyncpg.Connection", count: int) -> None:
    query = "SELECT count(*) FROM kernel.jobs WHERE name = 'bench.nothing' AND state = 'done'"
    while await probe.fetchval(query) < count:  # noqa: ASYNC110  another process does the work
        await asyncio.sleep(0.005)


async def seconds(probe: "asyncpg.Connection") -> list[float]:
    rows = await probe.fetch("SELECT created_at, finished_at FROM kernel.jobs WHERE name = 'bench.nothing'")
    pairs: list[tuple[datetime, datetime]] = [(row["created_at"], row["finished_at"]) for row in rows]
    return [(done - asked).total_seconds() for asked, done in pairs]


def report(title: str, found: Sequence[float]) -> None:
    cuts = statistics.quantiles(found, n=20)
    print(f"{title}: p50 {cuts[9] * 1000:.0f} ms, p95 {cuts[18] * 1000:.0f} ms")


def report_cost(processes: Sequence[psutil.Process]) -> None:
    """Memory (PSS) of relay and workers, and the processor time they take while nothing is to be done."""
    family = [member for process in processes for member in [process, *process.children(recursive=True)]]
    pss = {f"{member.pid}": member.memory_full_info().pss / 2**20 for member in family}
    before = sum(sum(member.cpu_times()[:2]) for member in family)
    time.sleep(5)
    idle = (sum(sum(member.cpu_times()[:2]) for member in family) - before) / 5
    print(f"memory (PSS): {sum(pss.values()):.0f} MB in all: {', '.join(f'{one:.0f}' for one in pss.values())}")
    print(f"idle: {idle * 100:.1f} % of one processor")


@contextmanager
def running(role: str) -> Iterator[psutil.Process]:
    process = subprocess.Popen([sys.executable, "-m", "bench.jobs", "--be", role])
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--broker", default="")
    parser.add_argument("--not-durable", action="store_true")
    parser.add_argument("--be", choices=["relay", "worker"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.be == "worker":
        return be_worker()
    if given.be == "relay":
        return asyncio.run(be_relay())
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder), durable=not given.not_durable) as server,
    ):
        migrate.upgrade(server.owner_url)
        os.environ |= {"DATABASE_URL": server.app_url, "BROKER_URL": given.broker, "LOG_LEVEL": "warning"}
        with running("relay") as relay_process, running("worker") as worker_process:
            time.sleep(4)
            asyncio.run(_measure(given.jobs))
            report_cost([relay_process, worker_process])
    return None


async def _measure(jobs: int) -> None:
    house = house_for("bench")
    await measure(house, jobs)
    await house.close()


if __name__ == "__main__":
    main()
