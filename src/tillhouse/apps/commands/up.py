"""`till up`: the whole house on one machine, supervised."""

import json
import os
import secrets
import sys
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import TypedDict

import click

from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.apps.supervise import ProcessSpec, Service, Supervisor, check_port
from tillhouse.kernel.settings import environment

SMTP_OFFSET, SANDBOX_OFFSET = 25, 1


@click.command()
@click.option("--port", default=8000, show_default=True, help="Web here; the sandbox on the next, its SMTP on port+25.")
@click.option("--data", default=".till", show_default=True, type=click.Path(path_type=Path), help="Where data is kept.")
@click.option("--no-demo", is_flag=True, help="Start without demo people and data.")
def command(port: int, data: Path, no_demo: bool) -> None:
    """Run the whole house on this machine: database, sandbox of all providers, web, workers.

    The first start makes the database and believable demo data; later ones keep it. Ctrl-C stops everything.
    """
    for wanted in (port, port + SANDBOX_OFFSET, port + SMTP_OFFSET):
        check_port(wanted)
    data.mkdir(parents=True, exist_ok=True)
    specs: list[ProcessSpec | Service] = []
    given = environment()
    if not given.get("DATABASE_URL"):
        database = EmbeddedPostgres(data / "postgres")
        database.start()
        specs.append(database)
        urls = {"DATABASE_URL": database.app_url, "DATABASE_OWNER_URL": database.owner_url}
    else:
        urls = {"DATABASE_OWNER_URL": given.get("DATABASE_OWNER_URL") or given["DATABASE_URL"]}
    base = {**os.environ, **_addresses(port), **_keys(data), "DATA_FOLDER": str(data.absolute()), **urls}
    specs += _processes(port, data, base, demo=not no_demo)
    sys.exit(Supervisor(specs, data, on_ready=lambda: _welcome(port, data)).run())


def _addresses(port: int) -> dict[str, str]:
    sandbox = f"http://127.0.0.1:{port + SANDBOX_OFFSET}"
    return {
        "BASE_URL": f"http://127.0.0.1:{port}",
        "SANDBOX_URL": sandbox,
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(port + SMTP_OFFSET),
    }


class _Keys(TypedDict):
    SECRET_KEY: str
    ENCRYPTION_KEYS: str


def _keys(data: Path) -> dict[str, str]:
    """This machine's own secrets, made once. Settings in the environment win."""
    path = data / "keys.json"
    if not path.exists():
        made = _Keys(
            SECRET_KEY=secrets.token_urlsafe(48),
            ENCRYPTION_KEYS=urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        )
        unfinished = path.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(made))
        unfinished.replace(path)
    kept: dict[str, str] = json.loads(path.read_text())
    return {name: environment().get(name, value) for name, value in kept.items()}


def _processes(port: int, data: Path, base: dict[str, str], *, demo: bool) -> list[ProcessSpec]:
    def till(*words: str) -> list[str]:
        return [sys.executable, "-m", "tillhouse.apps.cli", *words]

    owner = base.pop("DATABASE_OWNER_URL")
    sandbox_port = str(port + SANDBOX_OFFSET)
    sandbox = [
        sys.executable, "-m", "tillhouse.sandbox", "--port", sandbox_port, "--smtp-port", str(port + SMTP_OFFSET),
        "--state", str(data / "sandbox.sqlite"), "--web", f"http://127.0.0.1:{port}",
    ]  # fmt: skip
    specs = [
        ProcessSpec("migrate", till("migrate"), {**base, "DATABASE_OWNER_URL": owner}, ready=None, restart=False),
        ProcessSpec(
            "sandbox", sandbox, dict(os.environ), ready=f"http://127.0.0.1:{sandbox_port}/health/live", restart=True
        ),
    ]
    if demo:
        specs.append(ProcessSpec("demo", till("demo"), base, ready=None, restart=False))
    return [
        *specs,
        ProcessSpec(
            "web", till("serve", "--port", str(port)), base, ready=f"http://127.0.0.1:{port}/health/ready", restart=True
        ),
        ProcessSpec("worker", till("worker"), base, ready=None, restart=True),
        ProcessSpec("relay", till("relay"), base, ready=None, restart=True),
    ]


class _SignIn(TypedDict):
    title: str
    identifier: str
    password: str
    start: str


def _welcome(port: int, data: Path) -> None:
    click.secho("\nTillhouse is open.", bold=True)
    rows = [
        ("The house", f"http://127.0.0.1:{port}/"),
        ("Sandbox: pay pages, inbox", f"http://127.0.0.1:{port + SANDBOX_OFFSET}/_sandbox/"),
        ("API", f"http://127.0.0.1:{port}/api/docs"),
    ]
    for title, address in rows:
        click.echo(f"  {title:<28}{address}")
    people = data / "demo.json"
    if people.exists():
        found: list[_SignIn] = json.loads(people.read_text())
        click.echo("\nSign in as:")
        for one in found:
            click.echo(f"  {one['title']:<28}{one['identifier']}  /  {one['password']}")
    click.echo("\nCtrl-C stops everything; the data stays in " + str(data) + "/.")
