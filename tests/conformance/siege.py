"""The whole house with the outside in process, for tests that attack it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
import pytest

from tests.products.drivopay.conftest import NOON, Depot
from tillhouse.apps.compose import build_house, create_app
from tillhouse.kernel import clock
from tillhouse.kernel.invariants import check_all
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity.domain import PersonRole, parse_identifier
from tillhouse.parts.identity.service import people, sessions
from tillhouse.sandbox.app import create_sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.smtp import smtp_server
from tillhouse.sandbox.transport import SandboxTransport

VPA = {"type": "vpa", "vpa": "success@razorpay"}


@asynccontextmanager
async def besieged(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Depot]:
    """The house; on leaving, every invariant is checked."""
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    outside_clock = ManualClock(int(NOON.timestamp() * 1000))
    sandbox = create_sandbox(SandboxSettings(web="http://testserver"), now_ms=outside_clock)
    with clock.held(NOON) as at:
        async with smtp_server(sandbox.world.inbox, "127.0.0.1", 0) as port:
            monkeypatch.setenv("SMTP_PORT", str(port))
            house = build_house(settings, mounts={"http://sandbox": SandboxTransport(sandbox)})
            app = create_app(house)
            sandbox.send_through(httpx.ASGITransport(app))
            try:
                yield Depot(house, app, sandbox, at, outside_clock)
                async with house.database.reading() as session:
                    findings = await check_all(session, house.modules)
                assert [found for found in findings if found.violations] == []
            finally:
                await house.close()
                await sandbox.aclose()


async def staff_token(depot: Depot, role: PersonRole, *, second_factor: bool) -> tuple[UUID, str]:
    """Someone of the staff who has just signed in: their id and bearer token."""
    async with depot.house.database.transaction() as session:
        address = parse_identifier(f"{role}{int(second_factor)}@example.com")
        person = await people.create(session, "Meera Iyer", [address], role=role)
        begun = await sessions.begin(session, person, "api", "App", 2 if second_factor else 1)
    assert begun.tokens
    return person.id, begun.tokens.access_token


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}
