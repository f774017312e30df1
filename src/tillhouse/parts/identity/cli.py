"""`till people`: the first administrator, and keys of machines.

The context's object is a function that builds a house for this command; `apps/commands/people.py` puts it there.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.db import Session
from tillhouse.kernel.house import House
from tillhouse.parts.identity.domain import check_password, parse_identifier
from tillhouse.parts.identity.service import machines, people
from tillhouse.parts.identity.service.passwords import passwords_of

T = TypeVar("T")

_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")


@click.group()
def command() -> None:
    """Create administrators and API keys."""


@command.command("create-admin")
@click.argument("identifier")
@click.option("--name", prompt=True, help="How the person is called.")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for.")
@_as_json
@click.pass_context
def create_admin(context: click.Context, identifier: str, name: str, password: str, as_json: bool) -> None:
    """Make a person who may do everything, once an authenticator app is set up at /account.

    IDENTIFIER is an e-mail address or phone number; it counts as confirmed.
    """
    found = parse_identifier(identifier)
    check_password(password, near=[found.value, name])

    async def create(house: House, session: Session) -> str:
        password_hash = await passwords_of(house).hash(password)
        person = await people.create(session, name, [found], password_hash=password_hash, role="admin")
        return str(person.id)

    person_id = _in_transaction(context, create)
    click.echo(json.dumps({"id": person_id}) if as_json else f"{name} is an administrator: sign in as {found.value}.")


@command.command("api-key")
@click.argument("name")
@click.option("--scope", multiple=True, required=True, help="A permission of machines; repeat for more.")
@_as_json
@click.pass_context
def api_key(context: click.Context, name: str, scope: tuple[str, ...], as_json: bool) -> None:
    """Make a key for a machine. It is shown this once.

    NAME says what the key is for, wherever keys are listed.
    """

    async def create(_house: House, session: Session) -> machines.NewKey:
        return await machines.create(session, SYSTEM, name, scope)

    made = _in_transaction(context, create)
    click.echo(json.dumps({"id": str(made.row.id), "key": made.key}) if as_json else made.key)


def _in_transaction(context: click.Context, work: Callable[[House, Session], Awaitable[T]]) -> T:
    async def run() -> T:
        house: House = context.obj()
        try:
            async with house.database.transaction() as session:
                return await work(house, session)
        finally:
            await house.close()

    return asyncio.run(run())
