"""`till test`: everything that CI checks, in the order that fails fastest."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click

from tillhouse.apps.revisions import MIGRATIONS

_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    argv: tuple[str, ...]


def _tool(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(_BIN / name), *arguments)


def _pytest(*arguments: str) -> tuple[str, ...]:
    return _tool("python", "-m", "pytest", "-q", "--durations=8", *arguments)


STEPS = (
    _Step("format", _tool("ruff", "format", "--check", "--quiet", ".")),
    _Step("style", _tool("ruff", "check", "--quiet", ".")),
    _Step("contracts", _tool("lint-imports")),
    _Step("templates", _tool("djlint", "--lint", "--quiet", "src")),
    _Step("types", _tool("mypy")),
    _Step("tests", _pytest("-n", "2", "--dist", "loadscope", "-m", "not e2e", "tests")),
    _Step("pages", _pytest("-n", "2", "--dist", "loadscope", "-m", "e2e", "tests")),
)


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--only", "only", multiple=True, type=click.Choice([step.name for step in STEPS]), help="Just this; repeatable."
)
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def command(only: tuple[str, ...], pytest_arguments: tuple[str, ...]) -> None:
    """Check everything: format, style, import contracts, templates, types, tests, the pages in a real browser.

    Given PYTEST_ARGUMENTS (paths, -k …), only pytest runs, with them.
    """
    os.chdir(MIGRATIONS.parent)
    if pytest_arguments:
        sys.exit(subprocess.call(_pytest(*pytest_arguments)))  # noqa: S603  # the developer's own words
    chosen = [step for step in STEPS if not only or step.name in only]
    failed = [step.name for step in chosen if not _run(step)]
    click.secho(
        f"\nFailed: {', '.join(failed)}" if failed else "\nAll good.", fg="red" if failed else "green", bold=True
    )
    sys.exit(1 if failed else 0)


def _run(step: _Step) -> bool:
    click.secho(f"── {step.name} " + "─" * (shutil.get_terminal_size().columns - len(step.name) - 4), dim=True)
    started = time.monotonic()
    passed = subprocess.call(step.argv) == 0  # noqa: S603  # our own list above
    click.secho(
        f"{'✓' if passed else '✗'} {step.name} {time.monotonic() - started:.0f} s", fg="green" if passed else "red"
    )
    return passed
