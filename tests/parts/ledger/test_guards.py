"""What the database itself refuses, whoever asks: the app role, and where possible the owner of the tables."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest

from tests.parts.ledger.books import BANK, SHOP, TABLES, key, move, owner_url, person, plain
from tests.parts.ledger.purse import CLUB, Purse, member, open_purse, points
from tests.parts.ledger.test_seal import TAMPERING
from tillhouse.apps.compose import build_house
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.manifest import MODULE as LEDGER
from tillhouse.parts.ledger.service import partitions

COLUMN = {
    "accounts": "balance",
    "transactions": "kind",
    "entries": "amount",
    "keys": "key",
    "reversals": "reversed_by",
    "holds": "amount",
    "closed_periods": "reason",
    "lots": "remaining",
    "lot_movements": "amount",
    "lot_pins": "amount",
}
NUMBER = "ledger.number_at(now())"
MOVED = "INSERT INTO ledger.lot_movements SELECT"
ENTRY = "(transaction_id, account_id, sequence, amount, balance, effective_at, recorded_at, unit)"


async def use(books: Purse) -> Purse:
    """A posting, its reversal, a captured and an open hold; lots spent, given back, expired and reserved."""
    wallet, account = person(), member()
    first = await books.fund(wallet, 100)
    await books.reverse(first.id)
    await books.fund(wallet, 100)
    held = await books.hold(wallet, 10)
    await books.capture(held.id, move(wallet, BANK, 10))
    await books.hold(wallet, 20)
    await books.close_period(datetime(2025, 1, 1, tzinfo=UTC))
    await books.grant(account, 10)
    await books.refund(await books.spend(account, 5), 3)
    await books.reserve(account, 2)
    return books


@pytest.fixture
async def books(settings: KernelSettings) -> AsyncIterator[Purse]:
    async with open_purse(settings) as opened:
        yield opened


@pytest.fixture
async def used(books: Purse) -> Purse:
    return await use(books)


@pytest.fixture
async def owner(server: EmbeddedPostgres, settings: KernelSettings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(owner_url(server, settings))
    yield connection
    await connection.close()


@pytest.fixture
async def app_role(settings: KernelSettings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(plain(settings.database_url))
    yield connection
    await connection.close()


@pytest.mark.parametrize("table", TABLES)
async def test_the_app_role_writes_no_table_of_the_ledger(
    used: Purse, app_role: asyncpg.Connection, table: str
) -> None:
    before = await used.everything()
    for statement in (
        f"DELETE FROM ledger.{table}",
        f"TRUNCATE ledger.{table} CASCADE",
        f"INSERT INTO ledger.{table} OVERRIDING SYSTEM VALUE SELECT * FROM ledger.{table}",
        f"UPDATE ledger.{table} SET {COLUMN[table]} = {COLUMN[table]}",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app_role.execute(statement)
    assert await used.everything() == before


async def test_the_app_role_has_no_write_privilege_and_does_not_see_partitions(app_role: asyncpg.Connection) -> None:
    granted = await app_role.fetch("""
        SELECT table_schema, table_name, privilege_type FROM information_schema.role_table_grants
        WHERE table_schema LIKE 'ledger%' AND grantee IN ('till_app', 'PUBLIC') AND privilege_type <> 'SELECT'
    """)
    assert granted == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app_role.execute("SELECT * FROM ledger_partitions.entries_other")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app_role.execute("SELECT ledger.add_partition('entries', 'x', 'DEFAULT')")


@pytest.mark.parametrize("table", TABLES)
async def test_the_owner_neither_deletes_nor_empties_anything(
    used: Purse, owner: asyncpg.Connection, table: str
) -> None:
    before = await used.everything()
    for statement in (f"DELETE FROM ledger.{table}", f"TRUNCATE ledger.{table} CASCADE"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(statement)
    assert await used.everything() == before


async def test_the_owner_does_not_reach_entries_by_their_partition_either(
    used: Purse, owner: asyncpg.Connection
) -> None:
    before = await used.everything()
    name = await owner.fetchval("SELECT max(tableoid::regclass::text) FROM ledger.entries")
    for statement in (
        f"DELETE FROM {name}",
        f"TRUNCATE {name}",
        f"UPDATE {name} SET amount = amount + 1",
        f"INSERT INTO {name} {ENTRY} SELECT {NUMBER}, id, 99, 5, 5, now(), now(), unit FROM ledger.accounts",
    ):
        with pytest.raises((asyncpg.RestrictViolationError, asyncpg.CheckViolationError)):
            await owner.execute(statement)
    assert await used.everything() == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger.entries SET amount = amount + 1",
        "UPDATE ledger.entries SET recorded_at = now()",
        "UPDATE ledger.transactions SET effective_at = now()",
        "UPDATE ledger.keys SET input_hash = ''",
        "UPDATE ledger.reversals SET reversed_by = 1",
        "UPDATE ledger.accounts SET owner_id = gen_random_uuid()",
        "UPDATE ledger.accounts SET type = 'asset' WHERE code = 'wallet'",
        "UPDATE ledger.holds SET amount = 1 WHERE state = 'open'",
        "UPDATE ledger.closed_periods SET closed_until = closed_until - interval '1 year'",
        "UPDATE ledger.holds SET state = 'open', ended_at = NULL WHERE state = 'captured'",
        "UPDATE ledger.lots SET granted = granted + 1",
        "UPDATE ledger.lots SET price = 5, price_unit = 'INR'",
        "UPDATE ledger.lots SET expires_at = now()",
        "UPDATE ledger.lot_movements SET amount = amount - 1",
        "UPDATE ledger.lot_pins SET amount = amount + 1",
    ],
)
async def test_the_owner_does_not_change_what_was_written(used: Purse, owner: asyncpg.Connection, change: str) -> None:
    before = await used.everything()
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute(change)
    assert await used.everything() == before


async def test_unbalanced_entries_are_refused_even_when_two_transactions_balance_each_other(
    used: Purse, owner: asyncpg.Connection
) -> None:
    before = await used.everything()
    account = await owner.fetchval("SELECT id FROM ledger.accounts WHERE code = 'bank'")
    with pytest.raises(asyncpg.CheckViolationError, match="do not sum to zero"):
        await owner.execute(f"""
            INSERT INTO ledger.entries {ENTRY} VALUES
            ({NUMBER}, {account}, 9, 5, 5, now(), now(), 'INR'),
            ({NUMBER} + 1, {account}, 10, -5, 0, now(), now(), 'INR')
        """)
    with pytest.raises(asyncpg.CheckViolationError, match="do not sum to zero"):
        await owner.execute(f"""
            INSERT INTO ledger.entries {ENTRY} VALUES
            ({NUMBER}, {account}, 9, 5, 5, now(), now(), 'INR'),
            ({NUMBER}, {account} + 1, 10, -5, 0, now(), now(), 'USD')
        """)
    assert await used.everything() == before


async def test_the_function_refuses_an_unbalanced_posting_by_itself(app_role: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="do not sum to zero"):
        await app_role.execute("""
            SELECT ledger.post(ARRAY['house','house'], array_fill(gen_random_uuid(), ARRAY[2]), ARRAY['a','b'],
                ARRAY['INR','INR'], ARRAY['asset','asset'], ARRAY[NULL,NULL]::bigint[], NULL, ARRAY['k'],
                ARRAY[''::bytea], ARRAY['k'], ARRAY[NULL]::timestamptz[], ARRAY[NULL]::text[], ARRAY[NULL]::bigint[],
                ARRAY[NULL]::bigint[], ARRAY[1,1], ARRAY[1,2], ARRAY[100,-99]::bigint[], false, false)
        """)
    assert await app_role.fetchval("SELECT count(*) FROM ledger.accounts") == 0


async def test_the_functions_move_no_lot_that_the_entries_do_not_say(used: Purse, app_role: asyncpg.Connection) -> None:
    before = await used.everything()
    lot, account = await app_role.fetchrow("SELECT id, account_id FROM ledger.lots")
    posted = await app_role.fetchval("SELECT min(id) FROM ledger.transactions")
    held = await app_role.fetchval("SELECT hold_id FROM ledger.lot_pins")
    no_end = "ARRAY[NULL]::timestamptz[]"
    for call in (
        f"SELECT ledger.open_lot({posted}, {account}, 5, 'earned', NULL, NULL, 0, NULL)",
        f"SELECT ledger.open_lot({lot}, {account}, 11, 'earned', NULL, NULL, 0, NULL)",
        f"SELECT ledger.move_lots({posted}, {account}, 'spend', ARRAY[{lot}], ARRAY[-1], {no_end}, NULL)",
        f"SELECT ledger.move_lots({lot}, {account}, 'refund', ARRAY[{lot}], ARRAY[1], {no_end}, 5)",
        f"SELECT ledger.pin_lots(5, ARRAY[{lot}], ARRAY[1])",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await app_role.execute(call)
    with pytest.raises(asyncpg.UniqueViolationError):
        await app_role.execute(f"SELECT ledger.pin_lots({held}, ARRAY[{lot}], ARRAY[2])")
    with pytest.raises(asyncpg.UniqueViolationError):
        await app_role.execute(f"SELECT ledger.open_lot({lot}, {account}, 10, 'earned', NULL, NULL, 0, NULL)")
    assert await used.everything() == before


async def test_points_moved_past_the_lots_are_found(settings: KernelSettings) -> None:
    def without_lots(house: House) -> Sequence[object]:
        provided = CLUB.provides(house)
        return [replace(one, lots=False) if isinstance(one, ledger.AccountKind) else one for one in provided]

    async with open_purse(settings, sound=False) as books:
        account = member()
        await books.grant(account, 10)
        other_house = build_house(settings, catalogue=(LEDGER, SHOP, replace(CLUB, provides=without_lots)))
        spent = ledger.house_account("lots:spent", "PTS")
        legs = [ledger.debit(account, points(1)), ledger.credit(spent, points(1))]
        await Purse(other_house).post(ledger.Posting(key=key(), kind="club.points", legs=legs))
        await other_house.close()
        assert [line.partition(":")[0] for line in await books.violations()] == ["ledger.lots"]


# Where a trigger cannot stop the owner, the audit says what was done. Each damage names the invariant that finds it.
DAMAGE = {
    "UPDATE ledger.accounts SET balance = balance + 1 WHERE code = 'wallet'": "ledger.stored_balance",
    "UPDATE ledger.accounts SET sequence = sequence + 1 WHERE code = 'wallet'": "ledger.stored_balance",
    "UPDATE ledger.accounts SET held = held + 1 WHERE code = 'wallet'": "ledger.held",
    "UPDATE ledger.accounts SET floor = 1000 WHERE code = 'wallet'": "ledger.floors",
    "UPDATE ledger.holds SET state = 'voided', ended_at = now() WHERE state = 'open'": "ledger.held",
    "ALTER TABLE ledger.entries DISABLE TRIGGER zero_sum": "ledger.guards",
    "DROP TRIGGER kept ON ledger.keys": "ledger.guards",
    "INSERT INTO ledger.keys VALUES ('stray', '', 5, NULL)": "ledger.keys",
    f"INSERT INTO ledger.transactions VALUES ({NUMBER}, now(), now(), NULL, NULL, 'x')": "ledger.entries_match",
    "INSERT INTO ledger.reversals VALUES (5, 6)": "ledger.reversals",
    "UPDATE ledger.lots SET remaining = remaining - 1": "ledger.lots",
    f"{MOVED} {NUMBER}, id, -1, remaining - 1, NULL, NULL, 1, 'spend' FROM ledger.lots": "ledger.lot_movements",
    f"{MOVED} {NUMBER}, id, 9, 9, 5, NULL, 1, 'refund' FROM ledger.lots": "ledger.lot_refunds",
    "INSERT INTO ledger.transactions VALUES (9000000000000000000, now(), now(), NULL, NULL, 'x')": "ledger.partitions",
}
# With the triggers out of the way, the owner can do anything to the rows.
DISARMED = {
    "UPDATE ledger.entries SET amount = amount + 1 WHERE sequence = 1": "ledger.zero_sum",
    "UPDATE ledger.entries SET balance = balance + 1 WHERE sequence = 1": "ledger.running_balance",
    "UPDATE ledger.entries SET sequence = sequence + 1 WHERE sequence > 1": "ledger.running_balance",
    "UPDATE ledger.entries SET effective_at = effective_at - interval '1 day'": "ledger.entries_match",
    "UPDATE ledger.transactions SET recorded_at = recorded_at + interval '1 day'": "ledger.entries_match",
    "DELETE FROM ledger.entries WHERE sequence = (SELECT max(sequence) FROM ledger.entries)": "ledger.stored_balance",
    "DELETE FROM ledger.keys WHERE key = (SELECT min(key) FROM ledger.keys)": "ledger.keys",
    "UPDATE ledger.holds SET captured = captured - 1 WHERE state = 'captured'": "ledger.captures",
    "DELETE FROM ledger.reversals": "ledger.reversals",
    "DELETE FROM ledger.lot_pins": "ledger.lot_pins",
    "UPDATE ledger.lot_pins SET amount = 9": "ledger.lot_pins",
    "UPDATE ledger.lot_movements SET remaining = remaining + 1": "ledger.lot_movements",
}


@pytest.mark.parametrize("damage", [*DAMAGE, *DISARMED])
async def test_the_audit_finds_damage_and_names_it(
    settings: KernelSettings, owner: asyncpg.Connection, damage: str
) -> None:
    async with open_purse(settings, sound=False) as books:
        await use(books)
        assert await books.violations() == []
        if damage in DISARMED:
            for table in TABLES:
                await owner.execute(f"ALTER TABLE ledger.{table} DISABLE TRIGGER USER")
        await owner.execute(damage)
        if damage in DISARMED:
            for table in TABLES:
                await owner.execute(f"ALTER TABLE ledger.{table} ENABLE TRIGGER USER")
        found = {line.partition(":")[0] for line in await books.violations()}
    assert {**DAMAGE, **DISARMED}[damage] in found


def test_every_invariant_is_shown_to_find_something() -> None:
    assert {invariant.name for invariant in LEDGER.invariants()} <= {
        *DAMAGE.values(),
        *DISARMED.values(),
        *set().union(*TAMPERING.values()),
        "ledger.displaced",  # test_seal.py: test_changed_sums_for_reads_of_the_past_are_found
    }


async def test_partitions_are_made_ahead_by_the_app_role_and_only_once(books: Purse, owner: asyncpg.Connection) -> None:
    await owner.execute("""
        DO $$ DECLARE name text; BEGIN
            FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'ledger_partitions'::regnamespace
                AND relkind = 'r' AND relname NOT LIKE '%_other' ORDER BY 1 DESC LIMIT 2
            LOOP EXECUTE format('DROP TABLE ledger_partitions.%I', name); END LOOP;
        END $$
    """)
    async with books.transaction() as session:
        made = await partitions.ensure(session)
        assert len(made) == 2
        assert await partitions.ensure(session) == []
    wallet = person()
    await books.fund(wallet, 5)
    assert await books.post(move(wallet, BANK, 5, key()))
