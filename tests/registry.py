"""Tests that put something else in the place of what a module provides."""

from collections.abc import Callable

from tillhouse.kernel.house import House


def put_in_place(house: House, gone: Callable[[object], bool], *instead: object) -> None:
    """Take out of the house's registries everything that is `gone`, and put this where the first of it was."""
    provided = house._provided
    at = next(number for number, thing in enumerate(provided) if gone(thing))
    kept = [[thing for thing in part if not gone(thing)] for part in (provided[:at], provided[at:])]
    provided[:] = kept[0]
    house.provide([*instead, *kept[1]])
