"""Balances at a past point of one account with 10,000, 100,000 and 1,000,000 entries, and the cost of sealing them.

    python -m bench.ledger_time [--sizes 10000,100000,1000000] [--not-durable]

Two accounts of each size: one posted to as things happen, one whose every entry is backdated in no order (an import).
All is written through `ledger.post`, 5,000 postings a call, then sealed. Reads are one call of `balance_at` each, at
random points of both times, and the watermark with them, as a caller would make them. Between any two of them
`SELECT 1` is timed too: what a round trip takes on this machine now.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from sqlalchemy import text

from tillhouse.apps import migrate
from tillhouse.apps.compose import build_house
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.dsn import plain_dsn
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.manifest import MODULE as LEDGER
from tillhouse.parts.ledger.service import sealing

AT_ONCE = 5_000
READS = 2_000
YEARS = timedelta(days=1000)
NOTHING = text("SELECT 1")

BENCH = Module(
    name="bench",
    title="Bench",
    floor="product",
    folder=Path(__file__).parent,
    requires=("ledger",),
    provides=lambda house: (
        ledger.AccountKind(owner_kind="house", code="bench:*", type="asset", title="Bench"),
        ledger.TransactionKind(name="bench.move", title="Moved", legs=("house/bench:*",)),
    ),
)

# One call as `ledger.post` takes it, its arrays made on the server.
POST = """
    SELECT count(*) FROM ledger.post(
        ARRAY['house','house'], array_fill('00000000-0000-0000-0000-000000000000'::uuid, ARRAY[2]),
        ARRAY['bench:bank', $1], ARRAY['INR','INR'], ARRAY['asset','asset'], ARRAY[NULL,NULL]::bigint[],
        (SELECT array_agg($1 || ':' || $2::int || ':' || n) FROM generate_series(1, $3::int) AS n),
        array_fill('\\x00'::bytea, ARRAY[$3::int]), array_fill('bench.move'::text, ARRAY[$3::int]),
        (SELECT array_agg(CASE WHEN $4 THEN now() - random() * interval '1000 days' END) FROM generate_series(1, $3)),
        array_fill(NULL::text, ARRAY[$3::int]), array_fill(NULL::bigint, ARRAY[$3::int]),
        array_fill(NULL::bigint, ARRAY[$3::int]),
        (SELECT array_agg(n ORDER BY n) FROM generate_series(1, $3::int) AS n, generate_series(1, 2)),
        (SELECT array_agg(leg ORDER BY n, leg) FROM generate_series(1, $3::int) AS n, generate_series(1, 2) AS leg),
        (SELECT array_agg(CASE leg WHEN 1 THEN -7 ELSE 7 END::bigint ORDER BY n, leg)
         FROM generate_series(1, $3::int) AS n, generate_series(1, 2) AS leg)
    )
"""


async def fill(house: House, code: str, entries: int, *, backdated: bool) -> None:
    connection = await asyncpg.connect(plain_dsn(house.settings.database_url))
    started = time.perf_counter()
    for batch, first in enumerate(range(0, entries, AT_ONCE)):
        count = min(AT_ONCE, entries - first)
        await connection.fetchval(POST, code, batch, count, backdated)
    await connection.close()
    print(f"{code}: {entries} postings in {time.perf_counter() - started:.0f} s")


async def seal(house: House) -> None:
    started, blocks = time.perf_counter(), 0
    slowest = 0.0
    while True:
        one = time.perf_counter()
        async with house.database.transaction() as session:
            if await sealing.seal(session, margin=timedelta(0)) is None:
                break
        slowest = max(slowest, time.perf_counter() - one)
        blocks += 1
    print(f"  sealed in {blocks} blocks, {time.perf_counter() - started:.1f} s, slowest block {slowest:.2f} s")


async def read(house: House, code: str, since: datetime) -> None:
    account = ledger.house_account(code, "INR")
    chance = random.Random(7)
    now = datetime.now(UTC)
    took: list[float] = []
    floor: list[float] = []
    async with house.database.reading() as session:
        for _ in range(READS):
            started = time.perf_counter()
            await session.execute(NOTHING)
            floor.append(time.perf_counter() - started)
            recorded = since + (now - since) * chance.random()
            effective = now - YEARS * chance.random() if chance.random() < 0.8 else recorded
            started = time.perf_counter()
            await ledger.balance_at(session, account, effective=effective, recorded=recorded)
            took.append(time.perf_counter() - started)
    report(f"  {code}: balance at a random point", took)
    report("  beside it, SELECT 1 in the same session", floor)


async def read_all(house: House) -> None:
    took: list[float] = []
    now = datetime.now(UTC)
    async with house.database.reading() as session:
        for _ in range(3):
            started = time.perf_counter()
            await ledger.all_balances_at(session, effective=now - YEARS / 2, recorded=now)
            took.append(time.perf_counter() - started)
    print(f"all balances at a point, everything later than it: {min(took):.2f} s")


async def verify(house: House) -> None:
    started = time.perf_counter()
    async with house.database.reading() as session:
        assert await sealing.broken(session, lambda done, total: None) == []
    entries = await _scalar(house, "SELECT sum(entries)::bigint FROM ledger.blocks")
    took = time.perf_counter() - started
    print(f"whole seal checked: {took:.1f} s for {entries} entries, {took / entries * 1e6:.1f} s a million")
    sums = await _scalar(house, "SELECT pg_size_pretty(pg_total_relation_size('ledger.displaced_sums'))")
    print(f"displaced_sums: {sums}")


async def _scalar(house: House, query: str) -> int:
    connection = await asyncpg.connect(plain_dsn(house.settings.database_url))
    found: int = await connection.fetchval(query)
    await connection.close()
    return found


def report(title: str, took: Sequence[float]) -> None:
    """Also the p95 of the quietest of ten stretches: what it takes while nobody else uses the processor."""
    p50, p95 = percentiles(took)
    stretch = len(took) // 10
    quietest = min(percentiles(took[first : first + stretch])[1] for first in range(0, len(took), stretch))
    print(f"{title}: p50 {p50:.2f} ms, p95 {p95:.2f} ms, p95 of the quietest tenth {quietest:.2f} ms")


def percentiles(took: Sequence[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(took, n=20)
    return cuts[9] * 1000, cuts[18] * 1000


async def measure(house: House, sizes: Sequence[int]) -> None:
    for size in sizes:
        for backdated in (False, True):
            code = f"bench:{'backdated' if backdated else 'normal'}-{size}"
            since = datetime.now(UTC)
            await fill(house, code, size, backdated=backdated)
            await seal(house)
            await read(house, code, since)
    await read_all(house)
    await verify(house)


async def run(url: str, sizes: Sequence[int]) -> None:
    settings = KernelSettings(environment="test", database_url=url, base_url="http://bench", sandbox_url="")
    configure_logs(settings)
    house = build_house(settings, catalogue=(LEDGER, BENCH))
    try:
        await measure(house, sizes)
    finally:
        await house.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--not-durable", action="store_true")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder), durable=not given.not_durable) as postgres,
    ):
        migrate.upgrade(postgres.owner_url)
        asyncio.run(run(postgres.app_url, [int(size) for size in given.sizes.split(",")]))


if __name__ == "__main__":
    main()
