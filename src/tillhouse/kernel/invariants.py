"""Invariants are code: checked on a schedule, after tests, around migrations, and by `till audit`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tillhouse.kernel.db import JsonObject, ReadSession
from tillhouse.kernel.manifest import Invariant, Module


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant as it was found; no violations means that it holds."""

    name: str
    sentence: str
    violations: tuple[str, ...]

    def as_json(self) -> JsonObject:
        return {"name": self.name, "sentence": self.sentence, "violations": list(self.violations)}


async def check_all(
    session: ReadSession, modules: Sequence[Module], *, thorough: Callable[[str, int, int], None] | None = None
) -> list[Finding]:
    """Check every invariant of the modules. Reads only; needs a read session (one snapshot per statement).

    With `thorough`, those that can look at more do, and tell it their name, how much is done, and of how much.
    """
    return [
        Finding(invariant.name, invariant.sentence, tuple(await _violations(session, invariant, thorough)))
        for module in modules
        for invariant in module.invariants()
    ]


async def _violations(
    session: ReadSession, invariant: Invariant, thorough: Callable[[str, int, int], None] | None
) -> Sequence[str]:
    if thorough is None or invariant.thorough is None:
        return await invariant.violations(session)
    return await invariant.thorough(session, partial(thorough, invariant.name))
