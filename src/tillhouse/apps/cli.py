"""`till`: one command for everything. Each subcommand's module is loaded only when it is asked for."""

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import click

from tillhouse import __version__
from tillhouse.apps import local
from tillhouse.kernel.errors import DomainError

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "up": "Run the whole house on this machine: database, sandbox, web, workers.",
        "test": "Check everything: style, types, contracts, tests, the pages in a real browser.",
        "doctor": "Say what is wrong on this machine, and the command that mends it.",
        "serve": "Run the web process for all modules, or for those named.",
        "worker": "Run background jobs.",
        "relay": "Send due jobs and events to the workers.",
        "migrate": "Bring the database to the revision this build needs.",
        "audit": "Check every invariant of the books and of the house.",
        "demo": "Fill the database with believable data.",
        "jobs": "List, replay and cancel background jobs.",
        "keys": "Make and rotate encryption keys.",
        "payments": "Providers' events, reconciliation with them and the bank, what is open for how long.",
        "ledger": "Reports, exports, opening balances; close a period; the seal of the books.",
        "people": "Create administrators and API keys.",
        "bench": "Measure this machine, and us against our peers.",
        "docs": "Write the reference pages that are generated from the code.",
    }
)

STANDALONE = frozenset({"up", "test", "docs", "bench"})  # these make or need no house of this folder


class _Commands(click.Group):
    """Lists every command at once; imports one when it is run or asked for its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in STANDALONE:
            local.adopt(Path(os.environ.get("DATA_FOLDER", ".till")))
        module = importlib.import_module(f"tillhouse.apps.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="till")
def till() -> None:
    """Tillhouse: one house for apps that take money and do work for it.

    Start with `./till up`, then open the address it prints. `./till COMMAND --help` says more.

    Exit codes: 0 done, 1 a check found something or a process failed, 2 the command was not understood.
    """


def main() -> None:
    """Run `till`. A refusal is one sentence on standard error and exit code 1."""
    try:
        till(prog_name="till")
    except DomainError as error:
        click.secho(f"till: {error}", fg="red", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
