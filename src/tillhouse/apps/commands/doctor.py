"""`till doctor`: what is wrong on this machine, and the command that mends it."""

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg
import click
from sqlalchemy.engine import make_url

from tillhouse.apps.compose import chosen
from tillhouse.apps.exposure import open_houses
from tillhouse.apps.revisions import head
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.settings import KernelSettings, refuse_development_defaults

_LEAST_FREE = 1_000_000_000  # bytes; PostgreSQL stops writing when a disk is full


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `mend` is what to do when it is not right."""

    name: str
    right: bool
    says: str
    mend: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON list, for programs.")
def command(as_json: bool) -> None:
    """Say what is wrong on this machine, and the command that mends it. Exit code 1 when something is."""
    findings = list(_examine())
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.secho("✓ " if finding.right else "✗ ", fg="green" if finding.right else "red", nl=False)
            click.echo(f"{finding.name}: {finding.says}" + (f"\n    → {finding.mend}" if finding.mend else ""))
    sys.exit(0 if all(finding.right for finding in findings) else 1)


def _examine() -> Iterator[Finding]:
    yield _python()
    try:
        settings = KernelSettings.load()
    except DomainError as error:
        yield Finding("settings", False, str(error), "Correct them in the environment or in .env.")
        return
    yield _settings(settings)
    yield _exposure(settings)
    yield _disk(Path(settings.data_folder))
    yield from _database(settings)
    yield _browser()


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    right = (3, 11) <= sys.version_info[:2] <= (3, 14)
    return Finding("python", right, version, "" if right else "Install Python 3.11 to 3.14, then run ./till again.")


def _settings(settings: KernelSettings) -> Finding:
    try:
        loaded = [cls.load() for module in chosen() for cls in module.settings]
        if settings.production:
            refuse_development_defaults([settings, *loaded])
    except DomainError as error:
        return Finding("settings", False, str(error), "Correct them in the environment or in .env.")
    return Finding("settings", True, f"{settings.environment}; every module can read its own")


def _exposure(settings: KernelSettings) -> Finding:
    found = sorted(set(open_houses(settings)))
    if not found:
        return Finding("open to the network", True, "no web process outside production")
    says = f"outside production a web process answers on {', '.join(found)}, where anyone signs in as anyone"
    return Finding("open to the network", False, says, "Set ENVIRONMENT=production, or serve on 127.0.0.1.")


def _disk(folder: Path) -> Finding:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    right = free > _LEAST_FREE
    mend = "" if right else f"Free some space, or set DATA_FOLDER to a folder on a larger disk (now {existing})."
    return Finding("disk", right, f"{free // 1_000_000_000} GB free for {folder}", mend)


def _database(settings: KernelSettings) -> Sequence[Finding]:
    if not settings.database_url:
        return [Finding("database", True, "embedded, not made yet: ./till up makes it")]
    return asyncio.run(_ask(settings.database_url))


async def _ask(url: str) -> Sequence[Finding]:
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        return [Finding("database", False, f"does not answer ({error})", "Check DATABASE_URL, or start ./till up.")]
    try:
        version = int(await connection.fetchval("SHOW server_version_num")) // 10_000
        revision = await connection.fetchval("SELECT version_num FROM public.alembic_version")
        dead = await connection.fetchval("SELECT count(*) FROM kernel.jobs WHERE state = 'dead'")
    except asyncpg.PostgresError as error:
        return [Finding("database", False, f"is not migrated ({error})", "./till migrate")]
    finally:
        await connection.close()
    return [
        _judge("database", version >= 16, f"PostgreSQL {version}", "Use PostgreSQL 16 or newer."),
        _judge("migrations", revision >= head(), f"at {revision}, this build needs {head()}", "./till migrate"),
        _judge("dead jobs", dead == 0, f"{dead} gave up", "./till jobs list --state dead"),
    ]


def _judge(name: str, right: bool, says: str, mend: str) -> Finding:
    return Finding(name, right, says, "" if right else mend)


def _browser() -> Finding:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    says = found or "no Chromium: ./till test will skip the page tests"
    return Finding("browser for tests", True, says)
