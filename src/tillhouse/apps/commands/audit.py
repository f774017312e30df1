"""`till audit`: every invariant of every module, checked against the database as it is."""

import asyncio
import json
import sys

import click

from tillhouse.apps.compose import build_house
from tillhouse.kernel.invariants import Finding, check_all
from tillhouse.kernel.settings import KernelSettings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def command(as_json: bool) -> None:
    """Check every invariant of the books and of the house, the whole seal too. Exit code 1 when one is broken."""
    findings = asyncio.run(_check())
    broken = [finding for finding in findings if finding.violations]
    if as_json:
        click.echo(json.dumps({"holds": not broken, "findings": [finding.as_json() for finding in findings]}, indent=2))
    else:
        for finding in findings:
            _show(finding)
        click.secho(f"\n{len(findings) - len(broken)} of {len(findings)} hold.", fg="red" if broken else "green")
    sys.exit(1 if broken else 0)


def _show(finding: Finding) -> None:
    click.secho("✗ " if finding.violations else "✓ ", fg="red" if finding.violations else "green", nl=False)
    click.echo(f"{finding.name}: {finding.sentence}")
    for line in finding.violations:
        click.echo(f"    {line}")


async def _check() -> list[Finding]:
    house = build_house(KernelSettings.load(), process="audit")
    try:
        async with house.database.reading() as session:
            return await check_all(session, house.modules, thorough=_show_progress)
    finally:
        await house.close()


def _show_progress(name: str, done: int, total: int) -> None:
    """One line that is written over, for a person only."""
    if sys.stderr.isatty():
        click.echo(f"\r{name}: {done} of {total}", err=True, nl=done == total)
