"""Invariants are code: checked on a schedule, after tests, around migrations, and by `till audit`."""

from collections.abc import Sequence
from dataclasses import dataclass

from tillhouse.kernel.db import JsonObject, ReadSession
from tillhouse.kernel.manifest import Module


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant as it was found; no violations means that it holds."""

    name: str
    sentence: str
    violations: tuple[str, ...]

    def as_json(self) -> JsonObject:
        return {"name": self.name, "sentence": self.sentence, "violations": list(self.violations)}


async def check_all(session: ReadSession, modules: Sequence[Module]) -> list[Finding]:
    """Check every invariant of the modules. Reads only; needs a read session (one snapshot per statement)."""
    return [
        Finding(invariant.name, invariant.sentence, tuple(await invariant.violations(session)))
        for module in modules
        for invariant in module.invariants()
    ]
