"""Adapters, one folder per vendor. Deleting a folder removes the vendor: nothing else names it.

Each package has `install(house)`, which returns what it provides.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pkgutil import iter_modules

from tillhouse.kernel.house import House


def installed(house: House) -> Iterator[object]:
    """Everything that the vendors' packages provide to this house. Raises `SettingsError` for a wrong setting."""
    for package in iter_modules(__path__):
        if package.ispkg:
            install: Callable[[House], Sequence[object]] = import_module(f"{__name__}.{package.name}").install
            yield from install(house)
