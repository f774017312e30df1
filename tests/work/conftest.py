"""A house with one dummy module that does countable work."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from tests.work import dummy
from tillhouse.apps.compose import build_house
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel import clock
from tillhouse.kernel.dsn import plain_dsn
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings


@pytest.fixture
async def work_url(server: EmbeddedPostgres, database_url: str) -> str:
    """The fresh database, with the table in which the dummy's jobs leave their marks."""
    owner = make_url(server.owner_url).set(database=make_url(database_url).database)
    connection = await asyncpg.connect(plain_dsn(owner.render_as_string(hide_password=False)))
    await connection.execute("CREATE TABLE public.marks (mark text, made_by text)")
    await connection.execute("GRANT USAGE ON SCHEMA public TO till_app")
    await connection.close()
    return database_url


@pytest.fixture
async def house(settings: KernelSettings, work_url: str) -> AsyncIterator[House]:
    built = build_house(settings, catalogue=(dummy.MODULE,))
    dummy.reset()
    yield built
    await built.close()


@pytest.fixture
def time() -> Iterator[clock.TestClock]:
    with clock.held(datetime.now(UTC)) as held:
        yield held
