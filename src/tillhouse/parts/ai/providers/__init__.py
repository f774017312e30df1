"""Adapters, one folder per vendor. Deleting a folder removes the vendor: nothing else names it.

Each package has `install(house)`, which returns what it provides. Where it has settings, its module `settings` has a
tuple `SETTINGS` of their classes; where it has endpoints, `TITLES` says what people call them and their models.
Heavy libraries are loaded by the first call, never by `install`.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a process that reads documents passes through here, and needs nothing of the house
    from tillhouse.kernel.house import House
    from tillhouse.kernel.settings import ModuleSettings


def installed(house: "House") -> Iterator[object]:
    """Everything that the vendors' packages provide to this house."""
    for vendor in _vendors():
        install: Callable[[House], Sequence[object]] = import_module(f"{__name__}.{vendor}").install
        yield from install(house)


def vendor_settings() -> Iterator["type[ModuleSettings]"]:
    """The vendors' settings classes, for the manifest."""
    for vendor in _vendors():
        if find_spec(f"{__name__}.{vendor}.settings"):
            settings: Sequence[type[ModuleSettings]] = import_module(f"{__name__}.{vendor}.settings").SETTINGS
            yield from settings


def vendor_titles() -> dict[str, str]:
    """What people call endpoints, and models (`endpoint/model`) whose own names say nothing; English message ids."""
    found: dict[str, str] = {}
    for vendor in _vendors():
        found |= getattr(import_module(f"{__name__}.{vendor}"), "TITLES", {})
    return found


def _vendors() -> Iterator[str]:
    return (package.name for package in iter_modules(__path__) if package.ispkg)
