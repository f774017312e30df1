"""Commands that modules add to `till`: Typer apps, given a function that builds a house as their context's object."""

from collections.abc import Callable

import click
import typer
from typer.main import get_command

from tillhouse.apps.compose import build_house
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings


def module_command(name: str, load: Callable[[], typer.Typer] | None) -> click.Command:
    """`till <name> …` runs the app that a manifest's `cli` loads.

    Words are passed on as they are: Typer carries a Click of its own.
    """

    if load is None:
        raise LookupError(f"no module adds the command {name}")
    app = load()

    @click.command(name, context_settings={"ignore_unknown_options": True}, add_help_option=False)
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    def command(words: tuple[str, ...]) -> None:
        get_command(app).main(args=list(words), prog_name=f"till {name}", obj=lambda: _house(name))

    return command


def _house(name: str) -> House:
    return build_house(KernelSettings.load(), process=name)
