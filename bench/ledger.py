"""The ledger against its peers and against the machine's own limit, in one run on one server.

    ./till bench ledger [--seconds 3] [--rounds 3] [--long] [--pgledger DIR] [--hordak] [--formance BIN] [--blnk BIN]
                        [--peers-database URL] [--json FILE]

Starts an embedded PostgreSQL in a temporary folder (fsync on) with 100,000 accounts. The limit is COPY of the same rows
into the same tables with the same indexes. `--pgledger` names a checkout of github.com/pgr0ss/pgledger: its SQL runs on
the same server. `--hordak` installs django-hordak from PyPI in a venv of its own. `--formance` and `--blnk` name built
binaries; they answer over HTTP with their transactions committed (Blnk: `skip_queue`), as our own web process does,
one after another over the same number of accounts. Everything here (server,
clients, web process) shares the machine's processors.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import UUID

import asyncpg

from bench import ledger_http, ledger_peers, ledger_services
from bench.cost import Cost
from tillhouse.apps import migrate
from tillhouse.apps.compose import build_house
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.dsn import plain_dsn
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity.service import machines
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.service.calls import Call, Order
from tillhouse.parts.ledger.service.charts import HouseChart
from tillhouse.parts.ledger.store import writing

ACCOUNTS = 100_000
BULK = 1_000
AT_ONCE = 20
READY = 60  # bulks made before they are measured
LONG = 600.0  # seconds
HOT = -1  # stands for the one account that every posting touches


@dataclass
class Bench:
    """What the workloads share, and what they found."""

    house: House
    server: EmbeddedPostgres
    seconds: float
    owners: list[UUID]
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    rounds: dict[str, list[float]] = field(default_factory=dict)
    copied: int = 0

    @property
    def found(self) -> dict[str, float]:
        """The middle of what the rounds found: other work on the machine comes and goes."""
        return {name: round(statistics.median(values), 1) for name, values in self.rounds.items()}

    def report(self, name: str, value: float, unit: str = "/s") -> None:
        self.rounds.setdefault(name, []).append(value)
        print(f"  {name:<58} {value:>10,.0f} {unit}", flush=True)

    def cost(self, name: str, cost: Cost, count: float) -> None:
        """Report what each of `count` has cost in processor time: in Python, and in PostgreSQL."""
        ours, servers = cost.per(count)
        self.report(f"{name}: Python", ours, "us")
        self.report(f"{name}: PostgreSQL", servers, "us")
        self.report(f"{name}: processor time", ours + servers, "us")

    def account(self, n: int) -> ledger.AccountRef:
        if n == HOT:
            return ledger.AccountRef("ledger", UUID(int=7), "asset:bank", "INR")
        return ledger.AccountRef("ledger", self.owners[n], "customer:balance", "INR")

    def posting(self, source: int | None = None) -> ledger.Posting:
        """One unit from an account (any, when none is named) to another."""
        first, second = self.chance.sample(range(ACCOUNTS), 2)
        amount = Money(self.chance.randint(1, 100), "INR")
        legs = [
            ledger.debit(self.account(first if source is None else source), amount),
            ledger.credit(self.account(second), amount),
        ]
        return ledger.Posting(key=str(new_id()), kind="ledger.entry", legs=legs)


async def fund(bench: Bench) -> None:
    """Open all accounts and give each of them money."""
    for first in range(0, ACCOUNTS, BULK):
        amount = Money(1_000_000_000, "INR")
        postings = [
            ledger.Posting(
                key=str(new_id()),
                kind="ledger.entry",
                legs=[ledger.debit(bench.account(HOT), amount), ledger.credit(bench.account(n), amount)],
            )
            for n in range(first, first + BULK)
        ]
        await _bulk(bench, postings)


async def _bulk(bench: Bench, postings: Sequence[ledger.Posting]) -> None:
    async with bench.house.database.transaction() as session:
        results = await ledger.post_many(session, postings)
    assert all(isinstance(result, ledger.Transaction) for result in results)


async def _post(bench: Bench, posting: ledger.Posting) -> None:
    async with bench.house.database.transaction() as session:
        await ledger.post(session, posting)


_TOLD_EVERY = 30.0  # seconds


async def rate(seconds: float, workers: int, work: Callable[[], Awaitable[int]]) -> float:
    """How many a second `workers` get done, each one after another, after a moment to get warm."""
    done = 0
    end = time.perf_counter() + 0.3
    counting = False

    async def worker() -> None:
        nonlocal done
        while time.perf_counter() < end:
            n = await work()
            done += n if counting else 0

    async def tell() -> None:
        while True:
            await asyncio.sleep(_TOLD_EVERY)
            passed = time.perf_counter() - started
            print(f"    {passed:,.0f} of {seconds:,.0f} s: {done:,} done, {done / passed:,.0f} /s so far", flush=True)

    await asyncio.gather(*(worker() for _ in range(workers)))
    counting, started = True, time.perf_counter()
    end = started + seconds
    teller = asyncio.create_task(tell())
    try:
        await asyncio.gather(*(worker() for _ in range(workers)))
    finally:
        teller.cancel()
    return done / (time.perf_counter() - started)


async def batches_rate(
    seconds: float,
    workers: int,
    batches: list[list[ledger.Posting]],
    work: Callable[[Sequence[ledger.Posting]], Awaitable[None]],
) -> float:
    """How many postings a second `workers` write out of `batches`, until the time or the batches end."""
    done, started = 0, time.perf_counter()

    async def worker() -> None:
        nonlocal done
        while batches and time.perf_counter() < started + seconds:
            batch = batches.pop()
            await work(batch)
            done += len(batch)

    await asyncio.gather(*(worker() for _ in range(workers)))
    return done / (time.perf_counter() - started)


async def _single(bench: Bench, source: int | None) -> int:
    await _post(bench, bench.posting(source))
    return 1


async def _made_bulk(bench: Bench, source: int | None) -> int:
    await _bulk(bench, [bench.posting(source) for _ in range(BULK)])
    return BULK


async def bulks(bench: Bench) -> None:
    """`post_many` of postings that are there already, as the rows of COPY and the arguments of the peers are."""
    for workers in (1, 2):
        for name, source in (("", None), (", one hot account", HOT)):
            ready = [[bench.posting(source) for _ in range(BULK)] for _ in range(READY)]
            cost = Cost(bench.server)
            found = await batches_rate(bench.seconds, workers, ready, partial(_bulk, bench))
            bench.report(f"post_many of 1,000, {workers} at once{name}", found)
            if workers == 1:
                bench.cost(f"post_many of 1,000{name}", cost, BULK * (READY - len(ready)))


async def bulks_of_sql(bench: Bench) -> None:
    """The function alone: the arrays are ready, as they are when another process makes them."""
    chart = bench.house.the(HouseChart)
    for name, source in (("", None), (", one hot account", HOT)):
        calls = [Call(chart.chart, chart.known, [Order(bench.posting(source)) for _ in range(BULK)]) for _ in range(20)]
        started = time.perf_counter()
        for call in calls:
            await writing.post_at_once(bench.house.database, call.batch)
        bench.report(f"our SQL alone, bulks of 1,000{name}", len(calls) * BULK / (time.perf_counter() - started))


async def singles(bench: Bench) -> None:
    for name, source in (("", None), (", one hot account", HOT)):
        cost = Cost(bench.server)
        found = await rate(bench.seconds, AT_ONCE, partial(_single, bench, source))
        bench.report(f"post in a transaction, {AT_ONCE} at once{name}", found)
        bench.cost(f"post in a transaction{name}", cost, found * (bench.seconds + 0.3))


async def over_http(bench: Bench) -> None:
    async with bench.house.database.transaction() as session:
        key = (await machines.create(session, SYSTEM, "bench", ["ledger.post"])).key
    with _web(bench) as web, _web(bench) as another:
        for name, source in (("", None), (", one hot account", HOT)):

            def single(source: int | None = source) -> bytes:
                return ledger_http.post("/api/v1/ledger/transactions", _body(bench.posting(source)), key=key)

            cost = Cost(bench.server, web.process)
            found = await ledger_http.rate(web.port, request=single, connections=32, seconds=bench.seconds)
            bench.report(f"POST /transactions, 32 connections{name}", found)
            bench.cost(f"POST /transactions{name}", cost, found * (bench.seconds + 1))
            both = await ledger_http.rate(web.port, another.port, request=single, connections=32, seconds=bench.seconds)
            bench.report(f"POST /transactions, 32 connections, two web processes{name}", both)

        def bulk() -> bytes:
            body = {"transactions": [_body(bench.posting()) for _ in range(ledger_services.BULK)]}
            return ledger_http.post("/api/v1/ledger/transactions/bulk", body, key=key)

        found = await ledger_http.rate(web.port, request=bulk, connections=8, seconds=bench.seconds)
        bench.report("POST /transactions/bulk of 50, 8 connections", ledger_services.BULK * found)


def _web(bench: Bench) -> AbstractContextManager[ledger_http.Web]:
    return ledger_http.web_process(bench.house.settings.database_url, "ledger", "identity")


def _body(posting: ledger.Posting) -> dict[str, object]:
    return {"legs": [_leg(*leg) for leg in posting.legs]}


def _leg(account: ledger.AccountRef, amount: Money) -> dict[str, str]:
    return {
        "owner_id": str(account.owner_id),
        "code": account.code,
        "currency": amount.unit,
        "side": "debit" if amount.minor > 0 else "credit",
        "amount": str(amount if amount.minor > 0 else -amount),
    }


_JOURNAL = """
    SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class AS c
    WHERE c.oid = 'ledger.keys'::regclass OR (c.relnamespace = 'ledger_partitions'::regnamespace AND c.relkind = 'r')
"""


async def size(bench: Bench, owner: asyncpg.Connection) -> None:
    """Bytes on disk, indexes included, of what is added for one transaction of two legs."""
    before = await owner.fetchval(_JOURNAL)
    for _ in range(20):
        await _bulk(bench, [bench.posting() for _ in range(BULK)])
    bench.report("bytes of a transaction of two legs", (await owner.fetchval(_JOURNAL) - before) / (20 * BULK), "bytes")


_LATEST = "ledger.number_at(now())"  # what COPY put in is later than that
_ROWS = {
    "transactions": f"SELECT * FROM ledger.transactions WHERE id < {_LATEST} ORDER BY id DESC LIMIT $1",
    "entries": f"SELECT * FROM ledger.entries WHERE transaction_id >= $1 AND transaction_id < {_LATEST}",
    "keys": f"SELECT * FROM ledger.keys WHERE transaction_id >= $1 AND transaction_id < {_LATEST}",
}


async def limit(bench: Bench, owner: asyncpg.Connection) -> None:
    """COPY of rows like ours, 1,000 transactions at a time, into our tables. The books are not sound afterwards."""
    latest = await owner.fetch(_ROWS["transactions"], BULK)
    entries = await owner.fetch(_ROWS["entries"], latest[-1]["id"])
    keys = await owner.fetch(_ROWS["keys"], latest[-1]["id"])
    accounts = [row["id"] for row in await owner.fetch("SELECT id FROM ledger.accounts")]
    made: list[Rows] = []
    for _ in range(20):
        bench.copied += 1
        by = bench.copied * 1_000_000 << 12  # the same rows again, later and over other accounts
        others = bench.chance.sample(accounts, len(entries))
        made.append(
            {
                "transactions": [(row["id"] + by, *tuple(row)[1:]) for row in latest],
                "entries": [
                    (row["transaction_id"] + by, account, *tuple(row)[2:])
                    for row, account in zip(entries, others, strict=True)
                ],
                "keys": [(str(new_id()), row["input_hash"], row["transaction_id"] + by, None) for row in keys],
            }
        )
    cost, started = Cost(bench.server), time.perf_counter()
    for batch in made:
        async with owner.transaction():
            for table, records in batch.items():
                await owner.copy_records_to_table(table, schema_name="ledger", records=records)
    bench.report("limit: COPY of the same rows", len(made) * BULK / (time.perf_counter() - started))
    bench.cost("limit: COPY of the same rows", cost, len(made) * BULK)


Rows = dict[str, list[tuple[object, ...]]]


async def endure(bench: Bench, owner: asyncpg.Connection, seconds: float) -> None:
    """One hot account for a long time; then, in turns, with it and without; then with an old snapshot open besides."""
    for third in (1, 2, 3):
        found = await rate(seconds / 3, AT_ONCE, partial(_single, bench, HOT))
        bench.report(f"one hot account, third {third} of {seconds:.0f} s", found)
    turns: dict[str, list[float]] = {}
    for _ in range(5):
        for name, source in (("hot", HOT), ("wide", None)):
            turns.setdefault(f"single, {name}", []).append(
                await rate(seconds / 60, AT_ONCE, partial(_single, bench, source))
            )
            turns.setdefault(f"bulk, {name}", []).append(
                await rate(seconds / 60, 1, partial(_made_bulk, bench, source))
            )
    for name, found_in_turn in turns.items():
        bench.report(f"after {seconds:.0f} s: {name}", statistics.median(found_in_turn))
    reader = await asyncpg.connect(plain_dsn(bench.server.owner_url))
    await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM ledger.accounts")
    for third in (1, 2, 3):
        found = await rate(seconds / 30, AT_ONCE, partial(_single, bench, HOT))
        bench.report(f"one hot account, an old snapshot open, third {third} of {seconds / 10:.0f} s", found)
    await reader.close()
    updated = await owner.fetchrow("""
        SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'ledger.accounts'::regclass
    """)
    bench.report("updates of accounts that were heap-only", 100 * updated["n_tup_hot_upd"] / updated["n_tup_upd"], "%")


_RATIOS = (
    ("bulk / COPY", "post_many of 1,000, 1 at once", "limit: COPY of the same rows"),
    ("bulk, two at once / COPY", "post_many of 1,000, 2 at once", "limit: COPY of the same rows"),
    ("bulk / COPY, by processor time", "limit: COPY of the same rows: processor time",
     "post_many of 1,000: processor time"),
    ("bulk / COPY, by PostgreSQL's processor time", "limit: COPY of the same rows: PostgreSQL",
     "post_many of 1,000: PostgreSQL"),
    ("bulk / pgledger's best bulk", "post_many of 1,000, 1 at once", "pgledger: best bulk"),
    ("our SQL alone, bulk / COPY", "our SQL alone, bulks of 1,000", "limit: COPY of the same rows"),
    ("our SQL alone, bulk / pgledger's best", "our SQL alone, bulks of 1,000", "pgledger: best bulk"),
    ("hot bulk / bulk", "post_many of 1,000, 1 at once, one hot account", "post_many of 1,000, 1 at once"),
    ("post in a transaction / our SQL alone", f"post in a transaction, {AT_ONCE} at once", "our SQL alone, 20 clients"),
    ("post in a transaction / pgledger's SQL", f"post in a transaction, {AT_ONCE} at once", "pgledger: 20 clients"),
    ("our SQL alone / pgledger's SQL alone", "our SQL alone, 20 clients", "pgledger: 20 clients"),
    ("our SQL alone / pgledger's, one hot account", "our SQL alone, 20 clients, hot", "pgledger: 20 clients, hot"),
    ("HTTP / pgledger's SQL alone", "POST /transactions, 32 connections", "pgledger: 20 clients"),
    ("HTTP, two web processes / pgledger's SQL alone", "POST /transactions, 32 connections, two web processes",
     "pgledger: 20 clients"),
    ("after 10 minutes: single, hot / wide", "after 600 s: single, hot", "after 600 s: single, wide"),
    ("after 10 minutes: bulk, hot / wide", "after 600 s: bulk, hot", "after 600 s: bulk, wide"),
    ("HTTP / Formance, single", "POST /transactions, 32 connections", "Formance: single, 32 connections"),
    ("HTTP / Formance, bulk of 50", "POST /transactions/bulk of 50, 8 connections", "Formance: bulk of 50"),
    ("HTTP / Blnk, single", "POST /transactions, 32 connections", "Blnk: single, 32 connections"),
    ("HTTP / Blnk, bulk of 50", "POST /transactions/bulk of 50, 8 connections", "Blnk: bulk of 50"),
    ("post in a transaction / django-hordak", f"post in a transaction, {AT_ONCE} at once", "django-hordak: 20 clients"),
    ("bulk / django-hordak's bulk", "post_many of 1,000, 1 at once", "django-hordak: bulk of 1,000"),
    ("HTTP / HTTP, one hot account", "POST /transactions, 32 connections, one hot account",
     "POST /transactions, 32 connections"),
)  # fmt: skip


def ratios(found: dict[str, float]) -> dict[str, float]:
    return {name: round(found[a] / found[b], 3) for name, a, b in _RATIOS if a in found and found.get(b)}


async def measure(server: EmbeddedPostgres, given: argparse.Namespace) -> dict[str, object]:
    settings = KernelSettings(environment="test", database_url=server.app_url, database_pool=AT_ONCE)
    configure_logs(settings.model_copy(update={"log_level": "warning"}))
    house = build_house(settings, serve=["ledger", "identity"])
    owner = await asyncpg.connect(plain_dsn(server.owner_url))
    bench = Bench(house, server, given.seconds, [new_id() for _ in range(ACCOUNTS)])
    print(f"{ACCOUNTS:,} accounts", flush=True)
    await fund(bench)
    await owner.execute("VACUUM (ANALYZE) ledger.accounts")
    names = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "max_wal_size", "full_page_writes")
    told = {name: await owner.fetchval(f"SHOW {name}") for name in names}
    print(", ".join(f"{name} {value}" for name, value in told.items()), f"{os.cpu_count()} processors", flush=True)
    await size(bench, owner)
    await ledger_peers.prepare_ours(server, bench.owners)
    if given.pgledger:
        await ledger_peers.prepare_pgledger(server, given.pgledger, ACCOUNTS)
    services = await ledger_services.prepare(server, given, ACCOUNTS)
    for round_of_all in range(given.rounds):
        print(f"round {round_of_all + 1} of {given.rounds}", flush=True)
        await limit(bench, owner)
        await bulks(bench)
        await bulks_of_sql(bench)
        for service in services:
            await service.measure(bench.report, bench.seconds)
        if given.hordak:
            ledger_services.hordak(bench.report, server, bench.seconds)
        if given.pgledger:
            await ledger_peers.pgledger(bench.report, server, ACCOUNTS, bench.seconds)
        await ledger_peers.our_sql(bench.report, server, ACCOUNTS, bench.seconds)
        await singles(bench)
        await over_http(bench)
    for service in services:
        service.stop()
    if given.long:
        await endure(bench, owner, LONG)
    await owner.close()
    await house.close()
    return {
        "settings": {**told, "processors": os.cpu_count(), "machine": platform.machine(), "accounts": ACCOUNTS},
        "found": bench.found,
        "ratios": ratios(bench.found),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3, help="how long each workload runs (default 3)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="how often all of them run, one after another (default 3)"
    )
    parser.add_argument("--long", action="store_true", help="one hot account for ten minutes besides")
    parser.add_argument("--pgledger", type=Path, metavar="DIR", help="a checkout of pgr0ss/pgledger")
    parser.add_argument("--hordak", action="store_true", help="django-hordak, from PyPI into .till/bench/hordak")
    parser.add_argument("--formance", type=Path, metavar="BIN", help="Formance's ledger v2, built")
    parser.add_argument("--blnk", type=Path, metavar="BIN", help="Blnk, built; needs redis-server on the path")
    parser.add_argument(
        "--peers-database", default="", metavar="URL",
        help="a superuser's URL of the server for Formance and Blnk: they want pgcrypto, which the embedded has not",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found to this file, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder), durable=True) as server:
        migrate.upgrade(server.owner_url)
        found = asyncio.run(measure(server, given))
    print("the middle of the rounds")
    for name, value in found["found"].items():  # type: ignore[attr-defined]  # as made above
        print(f"  {name:<58} {value:>10,.0f}")
    print("ratios")
    for name, ratio in found["ratios"].items():  # type: ignore[attr-defined]  # as made above
        print(f"  {name:<58} {ratio:>10.2f}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
