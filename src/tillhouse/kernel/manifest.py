"""What the house knows of a module: one frozen `Module`, and nothing that is not in it.

Fields that would load the module's code are callables with the import inside, so that listing the catalogue is cheap
while types and import contracts still see every import.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.settings import ModuleSettings
from tillhouse.kernel.vault import SealedColumn

if TYPE_CHECKING:
    import click

    from tillhouse.kernel.house import House
    from tillhouse.kernel.work import AnyHandler, AnyJob

Signal = Literal["requests", "queue_age", "schedule"]


@dataclass(frozen=True, slots=True)
class NavItem:
    """A link in a module's menu: `place` says which menu, `permission` who sees it.

    `account` is what a part keeps for each person: their settings, papers, files. A product shows those of the parts
    that it stands on, beside the account.
    """

    title: str
    path: str
    icon: str
    place: Literal["app", "site", "account", "console"] = "app"
    permission: str | None = None
    order: int = 100


@dataclass(frozen=True, slots=True)
class Process:
    """Something that is deployed and scaled on its own: the web process, or the worker of one queue."""

    name: str
    kind: Literal["web", "worker"]
    queues: tuple[str, ...] = ()
    least: int = 1
    most: int = 1
    scales_by: Signal = "requests"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A dependency outside this process. Shown on `/health` and as a metric; never part of a probe."""

    name: str
    check: Callable[["House"], Awaitable[None]]


Progress = Callable[[int, int], None]  # is told how much is done, of how much


@dataclass(frozen=True, slots=True)
class Invariant:
    """A sentence that is always true of the database. `violations` returns one line per breach, none when it holds.

    Where all of it is too much for every 15 minutes, `violations` looks at what is recent and `thorough` at everything.
    """

    name: str
    sentence: str
    violations: Callable[[ReadSession], Awaitable[Sequence[str]]]
    thorough: Callable[[ReadSession, Progress], Awaitable[Sequence[str]]] | None = None


@dataclass(frozen=True, slots=True)
class Demo:
    """Believable data for development: `seed` runs in one transaction, is safe to repeat, returns its sign-ins."""

    seed: Callable[[Session], Awaitable[Sequence["DemoSignIn"]]]


@dataclass(frozen=True, slots=True)
class DemoSignIn:
    """Someone to sign in as: shown by `till up`, never in production."""

    title: str
    identifier: str
    password: str
    start: str


def _nothing() -> tuple[()]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Module:
    """A part or a product.

    `name` is also its database schema, queue prefix, settings prefix, and template and static namespace.
    `api_roots` are the paths under `/api/v1` that it owns (the longest prefix wins between modules).
    `plugged_by` names upper modules that plug its ports: they are loaded with it, though it imports nothing of them.
    `languages` are those its pages are complete in.
    `provides` returns objects of types that belong to the part that reads them; `House.provided(type)` collects them.
    """

    name: str
    title: str
    floor: Literal["part", "product"]
    folder: Path
    requires: tuple[str, ...] = ()
    plugged_by: tuple[str, ...] = ()
    settings: tuple[type[ModuleSettings], ...] = ()
    api_roots: tuple[str, ...] = ()
    api: Callable[[], APIRouter] | None = None
    pages: Callable[[], APIRouter] | None = None
    models: Callable[[], ModuleType] | None = None
    jobs: Callable[[], Sequence["AnyJob"]] = _nothing
    handlers: Callable[[], Sequence["AnyHandler"]] = _nothing
    nav: tuple[NavItem, ...] = ()
    permissions: tuple[Permission, ...] = ()
    processes: tuple[Process, ...] = ()
    health: Callable[[], Sequence[HealthCheck]] = _nothing
    invariants: Callable[[], Sequence[Invariant]] = _nothing
    provides: Callable[["House"], Sequence[object]] = lambda house: ()
    sealed: tuple[SealedColumn, ...] = ()
    cli: Callable[[], "click.Group"] | None = None
    demo: Callable[[], Demo] | None = None
    accent: str = "house"
    icon: str = "store"
    tagline: str = ""
    languages: tuple[str, ...] = ("en", "hi")


def closure(catalogue: Mapping[str, Module], wanted: Sequence[str]) -> tuple[Module, ...]:
    """The wanted modules and all they require, each after what it requires.

    Raises `ValueError` for an unknown name or a circle.
    """
    ordered: dict[str, Module] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ValueError(f"modules require each other in a circle: {' → '.join((*path, name))}")
        if name not in catalogue:
            raise ValueError(f"no module is called {name}; there are: {', '.join(sorted(catalogue))}")
        if name not in ordered:
            for required in catalogue[name].requires:
                visit(required, (*path, name))
            ordered[name] = catalogue[name]

    for name in wanted:
        visit(name, ())
    return tuple(ordered.values())
