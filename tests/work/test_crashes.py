"""Relay, worker, broker and PostgreSQL killed at every step: done exactly once in effect, none lost, none stuck."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from tests.work import dummy
from tests.work.dummy import Grind, Pay, Tell, ThingHappened
from tests.work.fleet import Fleet, Redis, need_redis, until
from tests.work.process import STEPS
from tillhouse.apps import migrate
from tillhouse.apps.compose import build_house
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.dsn import plain_dsn
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import emit, enqueue, job

BOTH_BROKERS = [
    pytest.param(("embedded", ""), id="embedded"),
    pytest.param(("redis", ""), id="redis", marks=pytest.mark.redis),
]


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of these tests' own, that keeps what it has committed when it is killed."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("mortal"), durable=True) as postgres:
        migrate.upgrade(postgres.owner_url)
        yield postgres


@pytest.fixture
async def crash_url(mortal: EmbeddedPostgres, request: pytest.FixtureRequest) -> str:
    name = f"crash_{abs(hash(request.node.name))}"
    admin = await asyncpg.connect(mortal.superuser_dsn)
    await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE tillhouse OWNER till_owner')
    await admin.close()
    owner = make_url(mortal.owner_url).set(database=name).render_as_string(hide_password=False)
    connection = await asyncpg.connect(plain_dsn(owner))
    await connection.execute("CREATE TABLE public.marks (mark text, made_by text)")
    await connection.execute("GRANT USAGE ON SCHEMA public TO till_app")
    await connection.close()
    return make_url(mortal.app_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
async def house(crash_url: str) -> AsyncIterator[House]:
    built = build_house(
        KernelSettings(environment="test", database_url=crash_url), catalogue=(dummy.MODULE,), process="test"
    )
    yield built
    await built.close()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    need_redis()
    server = Redis(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def fleet(crash_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    broker, step = request.param
    env = {
        "DATABASE_URL": crash_url,
        "BROKER_URL": request.getfixturevalue("redis").url if broker == "redis" else "",
        "LOG_LEVEL": "error",
        "CRASH_AT": step,
        "CRASH_FLAG": str(tmp_path / "crashed"),
    }
    started = Fleet(env)
    started.start("relay")
    started.start("worker")
    yield started
    started.close()


def every_step() -> list[object]:
    """Every step on the embedded broker; on Redis those where the broker plays a part."""
    on_redis = [step for step in STEPS if "sent" in step or "message" in step]
    found: list[object] = [pytest.param(("embedded", step), id=f"embedded {step}") for step in STEPS]
    return found + [pytest.param(("redis", step), id=f"redis {step}", marks=pytest.mark.redis) for step in on_redis]


async def ask_for_all(house: House, first: int, count: int) -> set[str]:
    """One job of each lane and one event per number."""
    numbers = [str(number) for number in range(first, first + count)]
    for number in numbers:
        async with house.database.transaction() as session:
            await enqueue(session, Pay(mark=number))
            await enqueue(session, Tell(mark=number))
            await enqueue(session, Grind(mark=number))
            await emit(session, ThingHappened(mark=number))
    return set(numbers)


async def all_done(house: House) -> bool:
    async with house.database.reading() as session:
        connection = await session.connection()
        left = "SELECT (SELECT count(*) FROM kernel.jobs WHERE state <> 'done' AND name LIKE 'dummy.%')"
        left += " + (SELECT count(*) FROM kernel.events WHERE dispatched_at IS NULL)"
        return bool((await connection.exec_driver_sql(left)).scalar_one() == 0)


async def each_once(house: House, expected: set[str]) -> None:
    async with house.database.reading() as session:
        for made_by in ("pay", "tell", "grind", "react", "react too"):
            assert await dummy.marks(session, made_by) == sorted(expected), made_by


@pytest.mark.parametrize("fleet", every_step(), indirect=True)
async def test_a_process_killed_at_any_step_loses_and_doubles_nothing(
    house: House, fleet: Fleet, tmp_path: Path
) -> None:
    asked = await ask_for_all(house, 0, 3)

    async def finished() -> bool:
        fleet.keep()
        return await all_done(house)

    await until(finished)
    assert (tmp_path / "crashed").exists()
    await each_once(house, asked)


@pytest.mark.parametrize("fleet", BOTH_BROKERS, indirect=True)
async def test_everything_killed_in_turn_under_load_loses_and_doubles_nothing(
    house: House, fleet: Fleet, mortal: EmbeddedPostgres, request: pytest.FixtureRequest
) -> None:
    asked = await ask_for_all(house, 0, 10)
    fleet.kill("worker")
    fleet.start("worker")
    asked |= await ask_for_all(house, 10, 10)
    fleet.kill("relay")
    fleet.start("relay")
    asked |= await ask_for_all(house, 20, 10)
    if "redis" in request.node.name:
        server: Redis = request.getfixturevalue("redis")
        server.kill()
        asked |= await ask_for_all(house, 30, 5)
        server.start()
    asked |= await ask_for_all(house, 40, 10)
    kill_hard(mortal)
    mortal.start()
    await house.database.engine.dispose()
    asked |= await ask_for_all(house, 50, 10)

    async def finished() -> bool:
        fleet.keep()
        return await all_done(house)

    await until(finished, 45)
    await each_once(house, asked)


@pytest.mark.parametrize("fleet", [pytest.param(("embedded", ""), id="embedded")], indirect=True)
async def test_a_worker_asked_to_stop_gives_back_what_it_cannot_finish(house: House, fleet: Fleet) -> None:
    async with house.database.transaction() as session:
        job_id = await enqueue(session, Grind(mark="endless"))
    assert job_id

    async def begun() -> bool:
        async with house.database.reading() as session:
            return bool(await dummy.marks(session, "begun"))

    await until(begun)
    assert fleet.stop("worker") < 8
    async with house.database.reading() as session:
        seen = await job(session, job_id)
    assert (seen.state in ("queued", "sent"), seen.attempt) == (True, 0)
    fleet.start("worker")
    await until(lambda: all_done(house))
    async with house.database.reading() as session:
        assert await dummy.marks(session, "grind") == ["endless"]


def kill_hard(server: EmbeddedPostgres) -> None:
    process = server._server
    assert process
    process.kill()
    process.wait()
