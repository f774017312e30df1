"""The seal: whatever the owner of the tables does to what was sealed, with the triggers out of the way, is found."""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.parts.ledger.books import BANK, Books, key, move, open_books, owner_url, person, plain
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject, Transactions
from tillhouse.kernel.house import House
from tillhouse.kernel.invariants import check_all
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import JobRun
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.domain import Head
from tillhouse.parts.ledger.events import Seal
from tillhouse.parts.ledger.flows import sealing as sealing_flow
from tillhouse.parts.ledger.flows.sealing import keep_head
from tillhouse.parts.ledger.manifest import MODULE as LEDGER
from tillhouse.parts.ledger.ports import Anchors
from tillhouse.parts.ledger.providers.anchor_file import FileAnchor
from tillhouse.parts.ledger.service import sealing

SECOND = "(SELECT id FROM ledger.transactions ORDER BY id OFFSET 1 LIMIT 1)"
LAST = "(SELECT max(id) FROM ledger.transactions)"
CUT_TRANSACTION = f"""
    UPDATE ledger.accounts AS a SET balance = a.balance - e.amount, sequence = a.sequence - 1,
        last_transaction_id = coalesce((
            SELECT max(b.transaction_id) FROM ledger.entries AS b
            WHERE b.account_id = a.id AND b.transaction_id < {LAST}), 0)
    FROM ledger.entries AS e WHERE e.account_id = a.id AND e.transaction_id = {LAST};
    DELETE FROM ledger.keys WHERE transaction_id = {LAST};
    DELETE FROM ledger.entries WHERE transaction_id = {LAST};
    DELETE FROM ledger.transactions WHERE id = {LAST};
"""
CUT_BLOCK = "DELETE FROM ledger.blocks WHERE number = (SELECT max(number) FROM ledger.blocks);"
REPLACED_CHAIN = f"""
    DELETE FROM ledger.blocks;
    UPDATE ledger.transactions SET metadata = '{{"note": "forged"}}' WHERE id = {SECOND};
    SELECT ledger.seal('0', 1); SELECT ledger.seal('0', 1); SELECT ledger.seal('0', 1); SELECT ledger.seal('0', 1);
"""
SWAP_TRANSACTIONS = """
    UPDATE ledger.transactions AS t SET kind = other.kind, metadata = other.metadata
    FROM (SELECT * FROM ledger.transactions ORDER BY id LIMIT 2) AS other
    WHERE t.id IN (SELECT id FROM ledger.transactions ORDER BY id LIMIT 2) AND t.id <> other.id
"""
SWAP_OWNERS = """
    CREATE TEMP TABLE pair AS SELECT id, owner_id FROM ledger.accounts WHERE code = 'wallet';
    UPDATE ledger.accounts SET owner_id = gen_random_uuid() WHERE code = 'wallet';
    UPDATE ledger.accounts AS a SET owner_id = p.owner_id FROM pair AS p WHERE a.code = 'wallet' AND a.id <> p.id;
"""
# Every column of what is sealed, changed in one row, and more; beside each damage, all the invariants that find it.
SEAL = {"ledger.seal"}
TAMPERING: dict[str, set[str]] = {
    f"UPDATE ledger.transactions SET kind = 'shop.movf' WHERE id = {SECOND}": SEAL,
    f'UPDATE ledger.transactions SET metadata = \'{{"note": "b"}}\' WHERE id = {SECOND}': SEAL,
    f"UPDATE ledger.transactions SET metadata = NULL WHERE id = {SECOND}": SEAL,
    f"UPDATE ledger.transactions SET id = id + 1 WHERE id = {SECOND}": SEAL | {"ledger.entries_match", "ledger.keys"},
    f"UPDATE ledger.transactions SET effective_at = effective_at - interval '1 day' WHERE id = {SECOND}": SEAL
    | {"ledger.entries_match"},
    f"UPDATE ledger.transactions SET recorded_at = recorded_at + interval '1 us' WHERE id = {SECOND}": SEAL
    | {"ledger.entries_match"},
    f"UPDATE ledger.transactions SET reverses = 1 WHERE id = {SECOND}": SEAL | {"ledger.reversals"},
    f"UPDATE ledger.transactions SET captures = 1 WHERE id = {SECOND}": SEAL | {"ledger.captures"},
    f"UPDATE ledger.entries SET amount = amount * 2 WHERE transaction_id = {SECOND}": SEAL
    | {"ledger.stored_balance", "ledger.running_balance"},
    f"UPDATE ledger.entries SET amount = amount + 1 WHERE transaction_id = {SECOND} AND amount > 0": SEAL
    | {"ledger.zero_sum", "ledger.stored_balance", "ledger.running_balance"},
    f"UPDATE ledger.entries SET balance = balance + 1 WHERE transaction_id = {SECOND}": SEAL
    | {"ledger.running_balance"},
    f"UPDATE ledger.entries SET sequence = sequence + 9 WHERE transaction_id = {SECOND}": SEAL
    | {"ledger.running_balance"},
    f"UPDATE ledger.entries SET unit = 'USD' WHERE transaction_id = {SECOND}": SEAL | {"ledger.entries_match"},
    f"UPDATE ledger.entries SET effective_at = effective_at - interval '1 us' WHERE transaction_id = {SECOND}": SEAL
    | {"ledger.entries_match"},
    f"UPDATE ledger.entries SET recorded_at = recorded_at - interval '1 us' WHERE transaction_id = {SECOND}": SEAL
    | {"ledger.entries_match"},
    f"UPDATE ledger.keys SET key = 'another' WHERE transaction_id = {SECOND}": SEAL,
    f"UPDATE ledger.keys SET input_hash = sha256(input_hash) WHERE transaction_id = {SECOND}": SEAL,
    "UPDATE ledger.accounts SET code = 'purse' WHERE code = 'wallet'": SEAL,
    "UPDATE ledger.accounts SET type = 'equity' WHERE code = 'wallet'": SEAL,
    "UPDATE ledger.accounts SET owner_kind = 'robot' WHERE code = 'wallet'": SEAL,
    SWAP_OWNERS: SEAL,
    SWAP_TRANSACTIONS: SEAL,
    # the same day on both rows: re-dated consistently
    f"""UPDATE ledger.transactions SET effective_at = '2026-01-05' WHERE id = {SECOND};
        UPDATE ledger.entries SET effective_at = '2026-01-05' WHERE transaction_id = {SECOND}""": SEAL,
    f"""DELETE FROM ledger.entries WHERE transaction_id = {SECOND};
        DELETE FROM ledger.keys WHERE transaction_id = {SECOND};
        DELETE FROM ledger.transactions WHERE id = {SECOND}""": SEAL
    | {"ledger.stored_balance", "ledger.running_balance"},
    f"INSERT INTO ledger.transactions VALUES ({SECOND} + 1, now(), now(), NULL, NULL, 'x')": SEAL
    | {"ledger.entries_match", "ledger.keys"},
    "UPDATE ledger.blocks SET hash = sha256(hash) WHERE number = 2": SEAL,
    "UPDATE ledger.blocks SET previous_hash = sha256(hash) WHERE number = 2": SEAL,
    "UPDATE ledger.blocks SET sealed_at = sealed_at + interval '1 us' WHERE number = 2": SEAL,
    "UPDATE ledger.blocks SET first_id = first_id - 1 WHERE number = 2": SEAL,
    "UPDATE ledger.blocks SET transactions = transactions + 1 WHERE number = 2": SEAL,
    "DELETE FROM ledger.blocks WHERE number = 2": SEAL,
    "UPDATE ledger.blocks SET hash = sha256(hash) WHERE number = 4": SEAL | {"ledger.anchors"},
    # the end cut off so that all that is left agrees with itself
    CUT_TRANSACTION: SEAL,
    CUT_TRANSACTION + CUT_BLOCK: {"ledger.anchors"},
    "DELETE FROM ledger.blocks": {"ledger.anchors"},
    REPLACED_CHAIN: {"ledger.anchors"},
    # the end cut off without its account being told
    f"DELETE FROM ledger.entries WHERE transaction_id = {LAST}; DELETE FROM ledger.keys WHERE transaction_id = {LAST}; "
    f"DELETE FROM ledger.transactions WHERE id = {LAST}; {CUT_BLOCK}": {"ledger.stored_balance", "ledger.anchors"},
    "ALTER TABLE ledger.blocks DISABLE TRIGGER kept": {"ledger.guards"},
    "ALTER TABLE ledger.transactions DISABLE TRIGGER kept": {"ledger.guards"},
    "DROP TRIGGER not_emptied ON ledger.blocks": {"ledger.guards"},
}
TABLES = ("accounts", "transactions", "entries", "keys", "blocks", "displaced_runs", "displaced_sums")


@pytest.fixture
async def owner(server: EmbeddedPostgres, settings: KernelSettings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(owner_url(server, settings))
    yield connection
    await connection.close()


async def seal(books: Books, *, most: int | None = None) -> Head | None:
    """Seal one block of what is there, at once."""
    async with books.transaction() as session:
        if most is None:
            return await sealing.seal(session, margin=timedelta(0))
        await session.execute(text("SELECT ledger.seal('0', :most)"), {"most": most})
        return await sealing.head(session)


async def write(books: Books) -> None:
    """Four transactions between two wallets and the bank, sealed in a block each, the head kept."""
    first, second = person(), person()
    note: JsonObject = {"note": "a", "zahl": 10**20, "ünï": ['x\n"\\', None, True, {"b": 1, "aa": 2}]}
    for source, target, paise in ((BANK, first, 100), (first, second, 40), (BANK, second, 5), (second, first, 7)):
        posting = move(source, target, paise)
        await books.post(ledger.Posting(key=key(), kind="shop.move", legs=posting.legs, metadata=note))
        note = {**note, "note": f"{note['note']}b"}
    for _ in range(4):
        await seal(books, most=1)
    await keep_head(books.house)


async def audit(house: House) -> set[str]:
    """What `till audit` finds broken: the names of the invariants."""
    async with house.database.reading() as session:
        findings = await check_all(session, [LEDGER], thorough=lambda name, done, total: None)
    return {finding.name for finding in findings if finding.violations}


async def without_triggers(owner: asyncpg.Connection, damage: str) -> None:
    """Do to the tables what their owner can once the triggers are out of the way."""
    for table in TABLES:
        await owner.execute(f"ALTER TABLE ledger.{table} DISABLE TRIGGER USER")
    await owner.execute(damage)
    for table in TABLES:
        await owner.execute(f"ALTER TABLE ledger.{table} ENABLE TRIGGER USER")


@pytest.mark.parametrize("damage", TAMPERING)
async def test_what_was_done_to_sealed_rows_is_found_by_exactly_these(
    settings: KernelSettings, owner: asyncpg.Connection, damage: str
) -> None:
    async with open_books(settings, sound=False) as books:
        await write(books)
        assert await audit(books.house) == set()
        if damage.startswith(("ALTER", "DROP")):
            await owner.execute(damage)
        else:
            await without_triggers(owner, damage)
        assert await audit(books.house) == TAMPERING[damage]
        found = {line.partition(":")[0] for line in await books.violations()}
        assert found == TAMPERING[damage]  # and so the job says within 15 minutes: these blocks are recent


# What the audit says of one damage, and the job of the last blocks: the place of the file is named where `{}` stands.
SENTENCES: dict[str, list[str]] = {
    f"UPDATE ledger.entries SET amount = amount + 1 WHERE transaction_id = {SECOND} AND amount > 0": [
        "block 2: its rows, or what it says of itself, do not make its hash"
    ],
    "UPDATE ledger.blocks SET transactions = 2 WHERE number = 2": [
        "block 2 sealed 2 transactions and 2 entries, there are 1 and 2 (or it begins elsewhere)"
    ],
    "UPDATE ledger.blocks SET previous_hash = sha256(hash) WHERE number = 2": [
        "block 2 does not carry the hash of block 1",
        "block 2: its rows, or what it says of itself, do not make its hash",
    ],
    "DELETE FROM ledger.blocks WHERE number IN (2, 3)": [
        "block 4 sealed 1 transactions and 2 entries, there are 4 and 8 (or it begins elsewhere)",
        "block 2 is missing",
        "block 3 is missing",
    ],
    CUT_TRANSACTION + CUT_BLOCK: ["block 4 is kept in {} and not in the ledger: the chain was cut"],
    "UPDATE ledger.blocks SET hash = sha256(hash) WHERE number = 4": [
        "block 4: its rows, or what it says of itself, do not make its hash",
        "block 4 is another than {} keeps: the chain was replaced",
    ],
}


@pytest.mark.parametrize("damage", SENTENCES)
async def test_the_audit_names_the_block_and_what_is_wrong_with_it(
    settings: KernelSettings, owner: asyncpg.Connection, damage: str
) -> None:
    async with open_books(settings, sound=False) as books:
        await write(books)
        await without_triggers(owner, damage)
        (file, _log) = books.house.the(Anchors).places
        sentences = [sentence.format(file.place) for sentence in SENTENCES[damage]]
        async with books.house.database.reading() as session:
            seal = [
                *await sealing.broken(session, lambda _done, _total: None),
                *await sealing.not_as_anchored_recent(session),
            ]
            recent = [*await sealing.broken_recent(session), *await sealing.not_as_anchored_recent(session)]
        assert seal == recent == sentences


async def test_the_first_block_is_missed_by_the_audit(settings: KernelSettings, owner: asyncpg.Connection) -> None:
    async with open_books(settings, sound=False) as books:
        await write(books)
        await without_triggers(owner, "DELETE FROM ledger.blocks WHERE number = 1")
        async with books.house.database.reading() as session:
            found = await sealing.broken(session, lambda _done, _total: None)
    assert "block 1 is missing" in found


async def test_changed_sums_for_reads_of_the_past_are_found(
    settings: KernelSettings, owner: asyncpg.Connection
) -> None:
    async with open_books(settings, sound=False) as books:
        wallet = person()
        async with books.transaction() as session:
            day = datetime.fromisoformat("2026-01-05T00:00:00Z")
            legs = move(BANK, wallet, 1).legs
            await ledger.post_many(
                session,
                [ledger.Posting(key=key(), kind="shop.move", legs=legs, effective_at=day) for _ in range(600)],
            )
        await seal(books)
        assert await audit(books.house) == set()
        await owner.execute("ALTER TABLE ledger.displaced_sums DISABLE TRIGGER USER")
        await owner.execute("UPDATE ledger.displaced_sums SET total = total + 1")
        await owner.execute("ALTER TABLE ledger.displaced_sums ENABLE TRIGGER USER")
        assert await audit(books.house) == {"ledger.displaced"}
        assert {line.partition(":")[0] for line in await books.violations()} == {"ledger.displaced"}


async def test_the_app_role_cannot_write_blocks_or_seal_above_the_watermark(books: Books) -> None:
    await books.fund(person(), 5)
    app = await asyncpg.connect(plain(books.house.settings.database_url))
    try:
        for statement in (
            "DELETE FROM ledger.blocks",
            "UPDATE ledger.blocks SET hash = ''",
            "INSERT INTO ledger.blocks VALUES (1, 1, 1, 1, 1, '', '', now())",
            "TRUNCATE ledger.blocks",
            "INSERT INTO ledger.displaced_runs VALUES (1, 0, 0, 1)",
            "SELECT ledger.extend_runs(0, 5)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app.execute(statement)
        assert await app.fetchval("SELECT count(*) FROM ledger.blocks") == 0
        async with books.transaction() as session:
            open_posting = await ledger.post(session, move(BANK, person(), 5))
            await app.execute("SELECT ledger.seal('-1 hour', 100)")
        assert await app.fetchval("SELECT coalesce(max(last_id), 0) FROM ledger.blocks") < open_posting.id
    finally:
        await app.close()


async def test_the_owner_neither_changes_nor_deletes_a_block(books: Books, owner: asyncpg.Connection) -> None:
    await books.fund(person(), 5)
    await seal(books)
    before = await owner.fetch("SELECT * FROM ledger.blocks")
    for statement in ("DELETE FROM ledger.blocks", "UPDATE ledger.blocks SET hash = ''", "TRUNCATE ledger.blocks"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(statement)
    assert await owner.fetch("SELECT * FROM ledger.blocks") == before != []


async def test_sealing_under_one_snapshot_is_refused(books: Books) -> None:
    await books.fund(person(), 5)
    async with books.transaction() as session:
        await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        with pytest.raises(DBAPIError, match="snapshot for each statement"):
            await sealing.seal(session)
    async with books.house.database.reading() as session:
        assert await sealing.head(session) is None


async def test_what_is_younger_than_the_margin_waits(books: Books) -> None:
    await books.fund(person(), 5)
    async with books.transaction() as session:
        assert await sealing.seal(session) is None


async def test_a_block_takes_only_what_is_recorded_before_every_open_posting(books: Books) -> None:
    before = await books.fund(person(), 5)
    outside = await asyncpg.connect(plain(books.house.settings.database_url))
    try:
        async with books.transaction() as session:
            stalled = await ledger.post(session, move(BANK, person(), 5))
            await outside.execute("SELECT ledger.seal('0', 100)")
        sealed_to = await outside.fetchval("SELECT coalesce(max(last_id), 0) FROM ledger.blocks")
        assert sealed_to < stalled.id
    finally:
        await outside.close()
    head = await seal(books)
    assert head is not None
    assert head.last_id == stalled.id > before.id


async def test_anybody_can_make_the_hash_again_from_the_rows(books: Books, owner: asyncpg.Connection) -> None:
    """By the description in docs/howto/check-the-seal.md, with nothing of the house's own code."""
    await write(books)
    previous, after = "", 0
    for block in await owner.fetch("SELECT * FROM ledger.blocks ORDER BY number"):
        transactions = await owner.fetch(
            "SELECT t.*, k.key, k.input_hash FROM ledger.transactions AS t JOIN ledger.keys AS k "
            "ON k.transaction_id = t.id WHERE t.id > $1 AND t.id <= $2 ORDER BY t.id",
            after,
            block["last_id"],
        )
        entries = await owner.fetch(
            "SELECT e.*, a.owner_kind, a.owner_id, a.code, a.unit AS account_unit, a.type FROM ledger.entries AS e "
            "JOIN ledger.accounts AS a ON a.id = e.account_id "
            "WHERE e.transaction_id > $1 AND e.transaction_id <= $2 ORDER BY e.transaction_id, e.account_id",
            after,
            block["last_id"],
        )
        content = [
            "block", block["number"], block["first_id"], block["last_id"], len(transactions), len(entries),
            _microseconds(block["sealed_at"]), previous,
            hashlib.sha256(b"".join(_leaf(_transaction(row)) for row in transactions)).hexdigest(),
            hashlib.sha256(b"".join(_leaf(_entry(row)) for row in entries)).hexdigest(),
        ]  # fmt: skip
        assert _leaf(content) == block["hash"]
        previous, after = block["hash"].hex(), block["last_id"]


def _transaction(row: asyncpg.Record) -> list[object]:
    metadata = None if row["metadata"] is None else json.loads(row["metadata"])
    return [
        "transaction", row["id"], _microseconds(row["effective_at"]), _microseconds(row["recorded_at"]), row["kind"],
        row["reverses"], row["captures"], _sorted(metadata), row["key"], row["input_hash"].hex(),
    ]  # fmt: skip


def _entry(row: asyncpg.Record) -> list[object]:
    return [
        "entry", row["transaction_id"], row["account_id"], row["sequence"], row["amount"], row["balance"],
        _microseconds(row["effective_at"]), _microseconds(row["recorded_at"]), row["unit"], row["owner_kind"],
        str(row["owner_id"]), row["code"], row["account_unit"], row["type"],
    ]  # fmt: skip


def _leaf(values: Sequence[object]) -> bytes:
    return hashlib.sha256(json.dumps(values, ensure_ascii=False).encode()).digest()


def _sorted(value: object) -> object:
    """Members of an object in the order of `jsonb`: shorter names first, then by bytes."""
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value, key=lambda n: (len(n.encode()), n.encode()))}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _microseconds(instant: datetime) -> int:
    return (instant - datetime.fromisoformat("1970-01-01T00:00:00Z")) // timedelta(microseconds=1)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_a_head_is_on_the_disk_once_a_line_and_read_back(books: Books) -> None:
    await write(books)
    (file, _log) = books.house.the(Anchors).places
    assert isinstance(file, FileAnchor)
    await keep_head(books.house)
    async with books.house.database.reading() as session:
        head = await sealing.head(session)
    assert await file.kept() == [head]
    assert head is not None
    assert head.number == 4
    assert mode_of(file.path) == 0o600


def cut_short(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"number": 2, "ha')


async def test_a_line_cut_short_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    anchor = FileAnchor(tmp_path / "deep" / "heads.jsonl")
    heads = [Head(number=n, hash="ab" * 32, last_id=n, sealed_at=clock.now()) for n in (1, 2, 3)]
    await anchor.keep(heads[0])
    cut_short(anchor.path)
    await anchor.keep(heads[2])
    assert await anchor.kept() == [heads[0], heads[2]]


async def test_a_head_that_is_not_kept_for_a_quarter_of_an_hour_is_told(settings: KernelSettings) -> None:
    async with open_books(settings, sound=False) as books:
        await books.fund(person(), 5)
        await seal(books)
        assert await audit(books.house) == set()
        with clock.held(clock.now() + timedelta(minutes=20)):
            assert await audit(books.house) == {"ledger.anchors"}


@dataclass(frozen=True)
class Run:
    """One attempt at a job, as far as the flow looks at it."""

    house: House

    @property
    def transaction(self) -> Transactions:
        return self.house.database.transaction


async def test_a_head_that_a_crash_kept_from_its_anchor_is_kept_by_the_next_run(books: Books) -> None:
    await books.fund(person(), 5)
    head = await seal(books)  # and here the process is killed
    (file, _log) = books.house.the(Anchors).places
    assert await file.kept() == []
    for _ in range(2):
        await sealing_flow.seal(cast("JobRun", Run(books.house)), Seal())
        assert await file.kept() == [head]


async def test_the_audit_tells_how_far_it_is(books: Books) -> None:
    await write(books)
    told: list[tuple[str, int, int]] = []
    async with books.house.database.reading() as session:
        await check_all(session, [LEDGER], thorough=lambda *progress: told.append(progress))
    assert told == [("ledger.seal", n, 4) for n in (1, 2, 3, 4)]
