"""The kernel's tables and the grants of the app role."""

import asyncpg
import pytest

from tillhouse.apps import migrate
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.dsn import plain_dsn


def test_models_and_tables_do_not_drift(server: EmbeddedPostgres) -> None:
    migrate.check_drift(server.owner_url)


async def test_the_app_role_makes_and_uses_queues_but_owns_nothing(database_url: str) -> None:
    connection = await asyncpg.connect(plain_dsn(database_url))
    try:
        await connection.execute("SELECT pgmq.create('a_queue')")
        await connection.execute("SELECT pgmq.create('a_queue')")
        await connection.execute("SELECT pgmq.send('a_queue', '{}'::jsonb)")
        read = await connection.fetch("SELECT msg_id FROM pgmq.read('a_queue', 30, 10)")
        assert len(read) == 1
        assert await connection.fetchval("SELECT pgmq.delete('a_queue', $1::bigint)", read[0]["msg_id"])
        assert (await connection.fetchrow("SELECT queue_length FROM pgmq.metrics('a_queue')"))["queue_length"] == 0
        owned = "SELECT count(*) FROM pg_class WHERE relowner = 'till_app'::regrole"
        assert await connection.fetchval(owned) == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE kernel.mine (id int)")
    finally:
        await connection.close()
