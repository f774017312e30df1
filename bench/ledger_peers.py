"""SQL alone, driven by pgbench: our own function, and pgledger's on the same server."""

import asyncio
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import asyncpg
from sqlalchemy.engine import make_url

from tillhouse.apps.embedded import EmbeddedPostgres, find_binaries
from tillhouse.kernel.dsn import plain_dsn

CLIENTS = 20
Report = Callable[[str, float], None]

# pgbench would read a colon, even in a string, as the beginning of a variable.
_OURS = r"""
\set a random(1, {accounts})
\set b random(1, {accounts})
SELECT ledger.post(
    ARRAY['ledger', 'ledger'], ARRAY[(SELECT owner FROM bench.owners WHERE n = {first}),
    (SELECT owner FROM bench.owners WHERE n = 1 + :b % {accounts})],
    ARRAY[{code}, 'customer' || chr(58) || 'balance'], ARRAY['INR', 'INR'], ARRAY['{type}', 'liability'],
    ARRAY[{floor}, 0]::bigint[], NULL,
    ARRAY[gen_random_uuid()::text], ARRAY['\x00'::bytea], ARRAY['ledger.entry'], ARRAY[NULL]::timestamptz[],
    ARRAY[NULL]::text[], ARRAY[NULL]::bigint[], ARRAY[NULL]::bigint[],
    ARRAY[1, 1], ARRAY[1, 2], ARRAY[1, -1]::bigint[], false, false
) WHERE {first} <> 1 + :b % {accounts};
"""


async def prepare_ours(server: EmbeddedPostgres, owners: Sequence[UUID]) -> None:
    """Number the accounts, so that pgbench can choose among them."""
    connection = await asyncpg.connect(_superuser(server))
    await connection.execute("""
        CREATE SCHEMA bench;
        CREATE TABLE bench.owners (n integer PRIMARY KEY, owner uuid NOT NULL)
    """)
    records = list(enumerate([*owners, UUID(int=7)], 1))
    await connection.copy_records_to_table("owners", schema_name="bench", records=records)
    await connection.execute("VACUUM ANALYZE bench.owners")
    await connection.close()


async def our_sql(report: Report, server: EmbeddedPostgres, accounts: int, seconds: float) -> None:
    """`ledger.post` as pgbench calls it, over all accounts and with one in every posting."""
    url = _superuser(server)
    wide = {"first": ":a", "code": "'customer' || chr(58) || 'balance'", "type": "liability", "floor": "0"}
    hot = {"first": accounts + 1, "code": "'asset' || chr(58) || 'bank'", "type": "asset", "floor": "NULL"}
    for name, names in (("", wide), (", hot", hot)):
        report(
            f"our SQL alone, 20 clients{name}", await _pgbench(url, _OURS.format(accounts=accounts, **names), seconds)
        )


_TRANSFER = r"""
\set a random(1, {accounts})
\set b random(1, {accounts})
SELECT pgledger_create_transfer(
    (SELECT id FROM bench_accounts WHERE n = {first}), (SELECT id FROM bench_accounts WHERE n = :b), 1
) WHERE {first} <> :b;
"""


async def prepare_pgledger(server: EmbeddedPostgres, folder: Path, accounts: int) -> None:
    """pgledger's SQL in a database of its own, with as many accounts."""
    admin = await asyncpg.connect(_superuser(server))
    await admin.execute("CREATE DATABASE pgledger")
    await admin.close()
    connection = await asyncpg.connect(_superuser(server, "pgledger"))
    for name in ("vendor/scoville-pgsql-ulid/uuid-to-ulid.sql", "pgledger.sql"):
        await connection.execute((folder / name).read_text())
    await connection.execute(f"""
        CREATE TABLE bench_accounts AS
        SELECT n, (pgledger_create_account('account ' || n, 'INR')).id AS id FROM generate_series(1, {accounts}) AS n;
        ALTER TABLE bench_accounts ADD PRIMARY KEY (n)
    """)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def pgledger(report: Report, server: EmbeddedPostgres, accounts: int, seconds: float) -> None:
    """Single transfers by 20 clients, and the best of several bulks."""
    url = _superuser(server, "pgledger")
    report("pgledger: 20 clients", await _pgbench(url, _TRANSFER.format(accounts=accounts, first=":a"), seconds))
    report("pgledger: 20 clients, hot", await _pgbench(url, _TRANSFER.format(accounts=accounts, first="1"), seconds))
    connection = await asyncpg.connect(url)
    rates = {batch: await _bulks_of(connection, batch, accounts, seconds / 2) for batch in (10, 100, 1_000)}
    report("pgledger: best bulk", max(rates.values()))
    await connection.close()


async def _bulks_of(connection: asyncpg.Connection, batch: int, accounts: int, seconds: float) -> float:
    query = """
        SELECT count(*) FROM pgledger_create_transfers(event_at => NULL, transfer_requests => (
            SELECT array_agg((a.id, b.id, 1)::transfer_request) FROM (
                SELECT 1 + floor(random() * $2)::int AS a, 1 + floor(random() * $2)::int AS b
                FROM generate_series(1, $1)
            ) AS pairs JOIN bench_accounts AS a ON a.n = pairs.a JOIN bench_accounts AS b ON b.n = pairs.b
            WHERE a.n <> b.n
        ))
    """
    done, started = 0, time.perf_counter()
    while time.perf_counter() < started + seconds:
        done += await connection.fetchval(query, batch, accounts)
    return done / (time.perf_counter() - started)


async def _pgbench(url: str, script: str, seconds: float) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [str(find_binaries() / "pgbench"), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2"]
        command += ["-T", str(max(1, round(seconds))), "-f", file.name, url]
        said = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True)
    tps = re.search(r"tps = ([0-9.]+)", said.stdout)
    assert tps, said.stdout
    return float(tps[1])


def _superuser(server: EmbeddedPostgres, database: str | None = None) -> str:
    database = database or make_url(server.owner_url).database
    url = make_url(plain_dsn(server.superuser_dsn)).set(drivername="postgresql", database=database)
    return url.render_as_string(hide_password=False)
