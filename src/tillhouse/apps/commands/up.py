"""`till up`: the whole house on one machine, supervised."""

import json
import os
import sys
from pathlib import Path
from typing import TypedDict

import click

from tillhouse.apps import local
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.apps.supervise import (
    Nursery,
    ProcessSpec,
    Service,
    Supervisor,
    SupervisorError,
    check_port,
    lock_folder,
)
from tillhouse.apps.usable import require_usable
from tillhouse.kernel.settings import KernelSettings, environment

SANDBOX_OFFSET, SMTP_OFFSET = 1, 25


@click.command()
@click.option("--port", default=8000, show_default=True, help="Web here; the sandbox on the next, its SMTP on port+25.")
@click.option("--data", default=".till", show_default=True, type=click.Path(path_type=Path), help="Where data is kept.")
@click.option("--no-demo", is_flag=True, help="Start without demo people and data.")
def command(port: int, data: Path, no_demo: bool) -> None:
    """Run the whole house on this machine: database, sandbox of all providers, web, workers.

    The first start makes the database and believable demo data; later ones keep it. Ctrl-C stops everything.
    """
    data = data.absolute()
    lock = lock_folder(data)  # before anything in it is made, remembered or started
    metrics = _metrics()
    _check_ports([port, port + SANDBOX_OFFSET, port + SMTP_OFFSET, *(listen for _, listen in metrics)])
    nursery = Nursery("tillhouse.apps.loaded")
    nursery.warm()
    services, urls = _database(data)
    house = {**urls, **local.keys(data), **_addresses(port), "DATA_FOLDER": str(data)}
    local.remember(data, house)
    left_out = {"demo"} if no_demo else set()
    processes = [spec for spec in _processes(port, data, house, metrics) if spec.name not in left_out]
    specs: list[ProcessSpec | Service] = [*services, *processes]
    supervisor = Supervisor(specs, data, lock=lock, nursery=nursery, on_ready=lambda: _welcome(port, data))
    sys.exit(supervisor.run())


def _database(data: Path) -> tuple[list[Service], dict[str, str]]:
    """The embedded server, started; or the one that DATABASE_URL names."""
    given = environment()
    if given.get("DATABASE_URL"):
        url = KernelSettings.load().database_url
        require_usable(url)
        return [], {"DATABASE_URL": url, "DATABASE_OWNER_URL": given.get("DATABASE_OWNER_URL", url)}
    server = EmbeddedPostgres(data / "postgres")
    server.start()
    return [server], {"DATABASE_URL": server.app_url, "DATABASE_OWNER_URL": server.owner_url}


def _addresses(port: int) -> dict[str, str]:
    return {
        "BASE_URL": f"http://127.0.0.1:{port}",
        "SANDBOX_URL": f"http://127.0.0.1:{port + SANDBOX_OFFSET}",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(port + SMTP_OFFSET),
    }


def _metrics() -> list[tuple[str, int]]:
    """Where the worker shows its metrics, and on the next port the relay; as a rule nowhere."""
    found = KernelSettings.load().metrics_address
    return [(found[0], found[1] + offset) for offset in (0, 1)] if found else []


def _check_ports(ports: list[int]) -> None:
    for number, port in enumerate(ports):
        check_port(port)
        if port in ports[:number]:
            raise SupervisorError(f"Port {port} is wanted twice: move METRICS_LISTEN, or choose others with --port.")


def _processes(port: int, data: Path, house: dict[str, str], metrics: list[tuple[str, int]]) -> list[ProcessSpec]:
    """Each process gets what it needs to know: only `migrate` the owner's URL, the sandbox nothing of the house."""
    owner = {**os.environ, **house}
    env = {name: value for name, value in owner.items() if name != "DATABASE_OWNER_URL"}
    of_worker, of_relay = [{"METRICS_LISTEN": f"{host}:{listen}"} for host, listen in metrics] or ({}, {})
    sandbox = [
        sys.executable, "-m", "tillhouse.sandbox", "--port", str(port + SANDBOX_OFFSET),
        "--smtp-port", str(port + SMTP_OFFSET), "--state", str(data / "sandbox.sqlite"), "--web", house["BASE_URL"],
    ]  # fmt: skip
    return [
        ProcessSpec("sandbox", sandbox, dict(os.environ), ready=f"{house['SANDBOX_URL']}/health/live"),
        _till("migrate", owner, restart=False),
        _till("demo", env, restart=False),
        _till("serve", env, "--port", str(port), name="web", ready=f"{house['BASE_URL']}/health/ready"),
        _till("worker", env | of_worker),
        _till("relay", env | of_relay),
    ]


def _till(
    command: str, env: dict[str, str], *words: str, name: str = "", ready: str | None = None, restart: bool = True
) -> ProcessSpec:
    argv = [sys.executable, "-m", "tillhouse.apps.cli", command, *words]
    return ProcessSpec(name or command, argv, env, ready, restart, fork=True)


class _SignIn(TypedDict):
    title: str
    identifier: str
    password: str
    start: str


def _welcome(port: int, data: Path) -> None:
    click.secho("\nTillhouse is open.\n", bold=True)
    web, sandbox = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + SANDBOX_OFFSET}"
    for title, address in (
        ("The house", f"{web}/"),
        ("API", f"{web}/api/docs"),
        ("Sandbox: pay pages, inbox", f"{sandbox}/_sandbox/"),
    ):
        click.echo(f"  {title:<28}{address}")
    if (data / "demo.json").exists():
        people: list[_SignIn] = json.loads((data / "demo.json").read_text())
        click.echo(f"\n  Sign in as (with one click, staff with their second factor: {web}/dev/sign-in)")
        width = max(len(one["title"]) for one in people) + 2
        for one in people:
            click.echo(f"  {one['title']:<{width}}{one['identifier']}  {one['password']}")
    click.echo(f"\n  Ctrl-C stops everything; the data stays in {data}.\n")
