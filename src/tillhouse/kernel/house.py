"""The composed house: what one process knows and holds. Built by `apps/compose.py`, reached by `house_of(session)`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tillhouse.kernel.access import Authenticator
from tillhouse.kernel.db import Database
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.outbound import Outbound
from tillhouse.kernel.settings import KernelSettings, ModuleSettings
from tillhouse.kernel.vault import Vault

T = TypeVar("T")
S = TypeVar("S", bound=ModuleSettings)


@dataclass
class House:
    """Settings, connections and the registries that the served modules fill.

    `modules` are those this process can run, each after what it requires; `serves` names those whose routes and queues
    are active here (the others are libraries).
    """

    settings: KernelSettings
    database: Database
    outbound: Outbound
    vault: Vault
    modules: tuple[Module, ...]
    serves: frozenset[str]
    module_settings: Mapping[type[ModuleSettings], ModuleSettings]
    authenticator: Authenticator
    _provided: list[object] = field(default_factory=list)
    _by_kind: dict[type, Sequence[object]] = field(default_factory=dict)  # asked several times for each request
    _closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def settings_of(self, cls: type[S]) -> S:
        """The settings of a module. Raises `LookupError` when the module is not in this process."""
        found = self.module_settings.get(cls)
        if not isinstance(found, cls):
            raise LookupError(f"{cls.__name__} is not loaded in this process")
        return found

    def provided(self, kind: type[T]) -> Sequence[T]:
        """Everything the modules provide of one type, in the catalogue's order."""
        found = self._by_kind.get(kind)
        if found is None:
            found = self._by_kind[kind] = [thing for thing in self._provided if isinstance(thing, kind)]
        return found  # type: ignore[return-value]  # filed under their own type

    def the(self, kind: type[T]) -> T:
        """The one thing of its type. Raises `LookupError` when there is none or more than one."""
        found = self.provided(kind)
        if len(found) != 1:
            raise LookupError(f"{len(found)} things of type {kind.__name__} are provided; one is needed")
        return found[0]

    def provide(self, things: Sequence[object]) -> None:
        """Add to the registries: for composition, before the first request."""
        self._provided.extend(things)
        self._by_kind.clear()

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have `close` awaited when the house closes, before its connections go."""
        self._closers.append(close)

    async def close(self) -> None:
        while self._closers:
            await self._closers.pop()()
        await self.outbound.close()
        await self.database.close()
