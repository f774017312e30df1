"""What every test stands on: a real PostgreSQL built by the migrations, a real house, the outside world in process.

One server per test process; each test that asks for a house gets a database of its own, cloned from a migrated
template, so that real commits and real concurrency need no cleaning up. Only the clock, the providers' address and
settings differ from production.
"""

import functools
import itertools
import logging
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import fastapi.dependencies.models
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.engine import make_url

from tillhouse.apps import migrate
from tillhouse.apps.compose import build_house, create_app
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.apps.runtime import keep_out_of_collections
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.settings import KernelSettings
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.transport import SandboxTransport

TEMPLATE = "tillhouse"
MEMORY = Path("/dev/shm")
ROOM = 4 << 30
_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pgledger", metavar="DIR", help="a checkout of pgledger: the ledger's history is replayed in it")


def pytest_configure() -> None:
    for name in list(os.environ):  # a developer's own settings must not leak into a test
        if name.endswith("_URL") or name.startswith(("RAZORPAY", "SANDBOX_", "TILL_")):
            del os.environ[name]
    os.environ["ENVIRONMENT"] = "test"
    configure_logs(KernelSettings(environment="test"))
    logging.getLogger().handlers = []  # pytest shows them where a test fails


def pytest_runtest_logfinish() -> None:
    for remembers in vars(fastapi.dependencies.models).values():  # functions, and with each the house it was made for
        if hasattr(remembers, "cache_clear"):
            remembers.cache_clear()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of this test process, its database migrated to the newest revision."""
    with _place(tmp_path_factory) as folder, EmbeddedPostgres(folder, durable=False) as postgres:
        migrate.upgrade(postgres.owner_url)
        yield postgres


@contextmanager
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory, where there is room: a database for each test is a thousand files."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM:
        with TemporaryDirectory(prefix="tillhouse-", dir=MEMORY, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("postgres")


@pytest.fixture
async def database_url(server: EmbeddedPostgres) -> AsyncIterator[str]:
    """A fresh, migrated database; the URL is the app role's."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    admin = await asyncpg.connect(server.superuser_dsn, database="postgres")
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}" STRATEGY file_copy OWNER till_owner')
        yield make_url(server.app_url).set(database=name).render_as_string(hide_password=False)
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> KernelSettings:
    return KernelSettings(
        environment="test",
        database_url=database_url,
        base_url="http://testserver",
        sandbox_url="http://sandbox",
        data_folder=str(tmp_path),
    )


@functools.cache  # read from the environment once: it does not change between tests
def _sandbox_settings() -> SandboxSettings:
    return SandboxSettings(web="http://testserver")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """The outside world, in process. Nothing happens in it by itself: `await sandbox.deliver_due()`."""
    created = create_sandbox(_sandbox_settings())
    yield created
    await created.aclose()


@pytest.fixture
async def house(settings: KernelSettings, sandbox: Sandbox) -> AsyncIterator[House]:
    """The whole house on the fresh database; the sandbox answers for every provider."""
    built = build_house(settings, mounts={"http://sandbox": SandboxTransport(sandbox)})
    yield built
    await built.close()


@pytest.fixture
def app(house: House, sandbox: Sandbox) -> FastAPI:
    """The web process; the sandbox's webhooks come in by its front door."""
    created = create_app(house)
    sandbox.send_through(httpx.ASGITransport(created))
    return created


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the app in process, as a client that follows no redirect."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as found:
        yield found


def pytest_collection_finish() -> None:
    """Spare the collector what was imported: it is walked thousands of times otherwise, and never goes."""
    keep_out_of_collections()
