"""A house in which people show who they are."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI

from tests.parts.kyc.desk import Desk
from tillhouse.apps.compose import build_house
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.smtp import smtp_server
from tillhouse.sandbox.transport import SandboxTransport


@pytest.fixture
def at() -> Iterator[clock.TestClock]:
    """The clock, held still."""
    with clock.held(datetime(2026, 3, 2, 9, 30, tzinfo=UTC)) as held:
        yield held


@pytest.fixture
async def house(
    settings: KernelSettings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, at: clock.TestClock
) -> AsyncIterator[House]:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    async with smtp_server(sandbox.world.inbox, "127.0.0.1", 0) as port:
        monkeypatch.setenv("SMTP_PORT", str(port))
        built = build_house(settings, mounts={"http://sandbox": SandboxTransport(sandbox)})
        yield built
        await built.close()


@pytest.fixture
def desk(house: House, app: FastAPI, sandbox: Sandbox) -> Desk:
    return Desk(house, app, sandbox)
