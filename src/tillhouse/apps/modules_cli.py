"""Commands that modules add to `till`: their context's object is a function that builds a house."""

from collections.abc import Callable

import click

from tillhouse.apps.compose import build_house
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings


def module_command(name: str, load: Callable[[], click.Group] | None) -> click.Group:
    """`till <name> …` runs the group that a manifest's `cli` loads."""
    if load is None:
        raise LookupError(f"no module adds the command {name}")
    group = load()
    group.context_settings["obj"] = lambda: _house(name)
    return group


def _house(name: str) -> House:
    return build_house(KernelSettings.load(), process=name)
