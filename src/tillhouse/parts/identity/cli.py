"""`till people`: the first administrator, and keys of machines.

The context's object is a function that builds a house for this command; `apps/commands/people.py` puts it there.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.db import Session
from tillhouse.kernel.house import House
from tillhouse.parts.identity.domain import check_password, parse_identifier
from tillhouse.parts.identity.service import machines, people
from tillhouse.parts.identity.service.passwords import passwords_of

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Create administrators and API keys.")

_Json = Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")]


@app.command("create-admin")
def create_admin(
    context: typer.Context,
    identifier: Annotated[str, typer.Argument(help="E-mail address or phone number; it counts as confirmed.")],
    name: Annotated[str, typer.Option(prompt=True, help="How the person is called.")],
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for.")],
    as_json: _Json = False,
) -> None:
    """Make a person who may do everything, once an authenticator app is set up at /account."""
    found = parse_identifier(identifier)
    check_password(password, near=[found.value, name])

    async def create(house: House, session: Session) -> str:
        password_hash = await passwords_of(house).hash(password)
        person = await people.create(session, name, [found], password_hash=password_hash, role="admin")
        return str(person.id)

    person_id = _in_transaction(context, create)
    typer.echo(json.dumps({"id": person_id}) if as_json else f"{name} is an administrator: sign in as {found.value}.")


@app.command("api-key")
def api_key(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the key is for; shown in the list.")],
    scope: Annotated[list[str], typer.Option(help="A permission of machines; repeat for more.")],
    as_json: _Json = False,
) -> None:
    """Make a key for a machine. It is shown this once."""

    async def create(_house: House, session: Session) -> machines.NewKey:
        return await machines.create(session, SYSTEM, name, scope)

    made = _in_transaction(context, create)
    typer.echo(json.dumps({"id": str(made.row.id), "key": made.key}) if as_json else made.key)


def _in_transaction(context: typer.Context, work: Callable[[House, Session], Awaitable[T]]) -> T:
    async def run() -> T:
        house: House = context.obj()
        try:
            async with house.database.transaction() as session:
                return await work(house, session)
        finally:
            await house.close()

    return asyncio.run(run())
