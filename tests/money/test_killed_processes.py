"""SIGKILL to the real processes while money moves: web, worker, relay, and PostgreSQL itself.

A few of each here; ten minutes of it, with faults of the providers besides, are `till bench chaos`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.money import process
from tests.parts.payments.till import catalogue
from tests.sandbox.serving import serving
from tests.work.fleet import Fleet, free_port, until
from tests.work.test_crashes import kill_hard
from tillhouse.apps import migrate
from tillhouse.apps.compose import build_house
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.invariants import check_all
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.service import people, sessions
from tillhouse.parts.ledger import api as ledger
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.razorpay.x_schemas import Payout
from tillhouse.sandbox.settings import SandboxSettings

SECRETS = {"SECRET_KEY": "k" * 48, "ENCRYPTION_KEYS": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="}
PEOPLE = 6
PATIENCE = 60.0  # seconds; the processes share the machine with other tests
VICTIMS = ("web", "worker", "relay", "postgres")


@dataclass
class Street:
    """The processes of a house, the outside on a port of its own, and our own eyes on the database."""

    fleet: Fleet
    server: EmbeddedPostgres
    house: House
    web: str
    sandbox: str
    outside: Sandbox
    client: httpx.AsyncClient
    answered: int = 0

    async def kill(self, victim: str) -> None:
        """SIGKILL, and started again at once, as the supervisor does."""
        if victim == "postgres":
            kill_hard(self.server)
            await asyncio.to_thread(self.server.start)
            await self.house.database.engine.dispose()
        else:
            self.fleet.kill(victim)
            self.fleet.start(victim)

    async def at_rest(self) -> bool:
        """Nothing is under way: no payout, no event, and no job that should have run."""
        self.fleet.keep()
        query = """SELECT (SELECT count(*) FROM payments.payouts WHERE state NOT IN ('processed', 'failed', 'reversed'))
                   + (SELECT count(*) FROM payments.provider_events WHERE state = 'received')
                   + (SELECT count(*) FROM kernel.events WHERE dispatched_at IS NULL)"""
        with suppress(DBAPIError, OSError):  # PostgreSQL may be on its way back
            async with self.house.database.reading() as session:
                return bool((await session.execute(text(query))).scalar_one() == 0)
        return False

    async def has(self, person: UUID, amount: str) -> bool:
        """Whether that is what is in their wallet now."""
        account = ledger.AccountRef("person", person, "wallet", "INR")
        with suppress(DBAPIError, OSError):
            async with self.house.database.reading() as session:
                return str((await ledger.balance(session, account)).posted) == amount
        return False

    async def has_answered(self, least: int) -> bool:
        """Whether more than that many requests were."""
        return self.answered > least

    async def someone(self, name: str) -> tuple[UUID, str]:
        async with self.house.database.transaction() as session:
            row = await people.create(
                session, name, [parse_identifier(f"{name}@example.com")], password_hash=None, role="user"
            )
            begun = await sessions.begin(session, row, "api", "test", 2)
        assert begun.tokens
        return row.id, begun.tokens.access_token

    async def ask(self, token: str, path: str, body: object) -> dict[str, Any]:
        """What a careful client does: the same key again until there is an answer."""
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(new_id())}
        answers: list[httpx.Response] = []

        async def answered() -> bool:
            try:
                answer = await self.client.post(f"{self.web}/api/v1{path}", json=body, headers=headers)
            except httpx.HTTPError:
                return False
            assert answer.status_code in (200, 201, 202, 409, 503), answer.text
            answers.append(answer)
            self.answered += answer.is_success
            return answer.is_success

        await until(answered, PATIENCE)
        found: dict[str, Any] = answers[-1].json()
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that keeps what it has committed when it is killed."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("mortal"), durable=True) as postgres:
        migrate.upgrade(postgres.owner_url)
        yield postgres


@pytest.fixture
async def street(server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Street]:
    port = free_port()
    sandbox = create_sandbox(SandboxSettings(web=f"http://127.0.0.1:{port}", clock_scale=600))
    with serving(sandbox) as outside:
        env = {
            **SECRETS, "DATABASE_URL": server.app_url, "SANDBOX_URL": outside, "LOG_LEVEL": "critical",
            "BASE_URL": f"http://127.0.0.1:{port}", "DATA_FOLDER": str(tmp_path), "WEB_PORT": str(port),
            "PAYOUTS_PERSONS_PER_ACCOUNT": "1000", "ENVIRONMENT": "test",
        }  # fmt: skip
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        house = build_house(KernelSettings.load(), catalogue=catalogue(), process="test")
        fleet = Fleet(env, process.main)
        for role in ("web", "worker", "relay"):
            fleet.start(role)
        async with httpx.AsyncClient(timeout=10) as client:
            yield Street(fleet, server, house, f"http://127.0.0.1:{port}", outside, sandbox, client)
        fleet.close()
        await house.close()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_everything_killed_in_turn_while_people_pay_and_withdraw_loses_and_doubles_nothing(
    street: Street,
) -> None:
    everyone = [await street.someone(f"person{number}") for number in range(PEOPLE)]
    payouts: list[str] = []

    async def come(number: int) -> None:
        person, token = everyone[number]
        order = await street.ask(token, "/wallets/deposit", {"amount": "150.00", "currency": "INR"})
        path = f"{street.sandbox}/_sandbox/razorpay/orders/{order['provider_order_id']}/pay"
        proof = (await street.client.post(path, json={})).json()
        if number % 2:
            await street.ask(token, "/payments/verify", proof)
        await until(lambda: street.has(person, "150.00"), PATIENCE)
        body = {"amount": "50.00", "currency": "INR", "destination": {"type": "vpa", "vpa": "success@razorpay"}}
        payouts.append((await street.ask(token, "/wallets/withdraw", body))["id"])

    async def kill_in_turn() -> None:
        """Each when something more has been answered."""
        for number, victim in enumerate(VICTIMS):
            await until(partial(street.has_answered, number), PATIENCE)
            await street.kill(victim)

    async with asyncio.TaskGroup() as group:
        group.create_task(kill_in_turn())
        for number in range(PEOPLE):
            group.create_task(come(number))
    await until(street.at_rest, PATIENCE)
    assert [await street.has(person, "100.00") for person, _ in everyone] == [True] * PEOPLE
    sent = [payout.reference_id or "" for payout in street.outside.world.store.find(Payout)]
    assert sorted(sent) == sorted(payouts)
    async with street.house.database.reading() as session:
        findings = await check_all(session, street.house.modules)
    assert [found for found in findings if found.violations] == []
