"""`till people`: the first administrator and keys of machines, from the command line."""

import asyncio
import json

import pytest
from click.testing import CliRunner, Result

from tests.parts.identity.town import Town
from tillhouse.apps import cli
from tillhouse.apps.compose import build_house
from tillhouse.kernel.house import House
from tillhouse.parts.channels.manifest import MODULE as CHANNELS
from tillhouse.parts.files.manifest import MODULE as FILES
from tillhouse.parts.identity.cli import command
from tillhouse.parts.identity.manifest import MODULE as IDENTITY


async def till(town: Town, *arguments: str, typed: str = "") -> Result:
    def fresh_house() -> House:
        return build_house(town.house.settings, catalogue=(IDENTITY, FILES, CHANNELS))

    # The command runs its own event loop, as it does in a shell.
    return await asyncio.to_thread(CliRunner().invoke, command, arguments, input=typed, obj=fresh_house)


async def test_an_administrator_made_here_can_sign_in(town: Town) -> None:
    typed = "seven green parrots\nseven green parrots\n"
    made = await till(town, "create-admin", "root@example.com", "--name", "Root", typed=typed)
    assert made.exit_code == 0, made.output
    assert "root@example.com" in made.output
    assert "parrots" not in made.output
    login = {"identifier": "root@example.com", "password": "seven green parrots"}
    token = (await town.post("/auth/login", login)).json()["access_token"]
    assert (await town.call("GET", "/users/me", token=token)).json()["roles"] == ["admin", "staff", "user"]


async def test_a_key_for_a_scope_that_no_machine_may_have_is_refused(town: Town) -> None:
    refused = await till(town, "api-key", "robot", "--scope", "identity.roles", "--json")
    assert refused.exit_code != 0
    async with town.house.database.reading() as session:
        found = await (await session.connection()).exec_driver_sql("SELECT count(*) FROM identity.api_keys")
        assert found.scalar_one() == 0


async def test_json_is_one_object(town: Town) -> None:
    typed = "seven green parrots\nseven green parrots\n"
    made = await till(town, "create-admin", "root@example.com", "--name", "Root", "--json", typed=typed)
    assert set(json.loads(made.stdout.splitlines()[-1])) == {"id"}


async def test_the_house_runs_these_commands_among_its_own(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", town.house.settings.database_url)
    run = CliRunner().invoke
    shown = await asyncio.to_thread(run, cli.till, ["people", "--help"], prog_name="till")
    assert "Usage: till people" in shown.output
    made = await asyncio.to_thread(
        run, cli.till, ["people", "api-key", "robot", "--scope", "payments.status", "--json"]
    )
    assert made.exit_code == 0, made.output
    async with town.house.database.reading() as session:
        found = await (await session.connection()).exec_driver_sql("SELECT id::text FROM identity.api_keys")
        assert found.scalars().all() == [json.loads(made.stdout)["id"]]
