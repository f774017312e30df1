"""The migrations make what the models say, and the app role can do no more than its work."""

import asyncpg

from tillhouse.apps import migrate
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.apps.revisions import MIGRATIONS, head
from tillhouse.kernel.house import House
from tillhouse.kernel.invariants import check_all


def test_tables_and_models_do_not_drift_apart(server: EmbeddedPostgres) -> None:
    migrate.check_drift(server.owner_url)


def test_migrating_again_changes_nothing(server: EmbeddedPostgres) -> None:
    migrate.upgrade(server.owner_url)


def test_revisions_are_one_line_of_numbers_without_a_gap() -> None:
    numbers = sorted(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    assert head() == numbers[-1]


async def test_the_app_role_owns_no_table_and_cannot_make_one(server: EmbeddedPostgres, database_url: str) -> None:
    connection = await asyncpg.connect(server.superuser_dsn, database=database_url.rsplit("/", 1)[1])
    owned = await connection.fetch("SELECT schemaname, tablename FROM pg_tables WHERE tableowner = 'till_app'")
    creatable = await connection.fetch(
        "SELECT nspname FROM pg_namespace WHERE has_schema_privilege('till_app', oid, 'CREATE')"
    )
    await connection.close()
    assert (owned, creatable) == ([], [])


async def test_every_invariant_holds_on_an_empty_house(house: House) -> None:
    async with house.database.reading() as session:
        broken = [finding for finding in await check_all(session, house.modules) if finding.violations]
    assert broken == []
