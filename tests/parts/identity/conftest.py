"""A house of people and messages alone, with a mail server in front of the sandbox's inbox."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from tests.parts.identity.town import Town
from tillhouse.apps.compose import build_house
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.channels.manifest import MODULE as CHANNELS
from tillhouse.parts.files.manifest import MODULE as FILES
from tillhouse.parts.identity.manifest import MODULE as IDENTITY
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
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")  # guesses are cheap in tests, and nowhere else
    async with smtp_server(sandbox.world.inbox, "127.0.0.1", 0) as port:
        monkeypatch.setenv("SMTP_PORT", str(port))
        mounts = {"http://sandbox": SandboxTransport(sandbox)}
        built = build_house(settings, catalogue=(IDENTITY, FILES, CHANNELS), mounts=mounts)
        yield built
        await built.close()


@pytest.fixture
def town(house: House, app: FastAPI, sandbox: Sandbox) -> Town:
    return Town(house, app, sandbox)


@pytest.fixture
async def nobody(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without cookies."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        yield client
