"""Everything the house can do in the background, by the name that stands in the jobs table."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.work.definitions import AnyHandler, AnyJob, Lane
from tillhouse.kernel.work.retention import RETENTION_JOBS
from tillhouse.kernel.work.watch import WATCH_JOBS

KERNEL_JOBS = (*RETENTION_JOBS, *WATCH_JOBS)
LANES: tuple[Lane, ...] = ("money", "quick", "slow")
_HANDLER_TIME_LIMIT = timedelta(minutes=2)


@dataclass(frozen=True)
class Work:
    """One kind of job as the jobs table names it: a module's `Job`, or its `Handler` for deliveries of an event."""

    name: str
    lane: Lane
    attempts: int
    time_limit: timedelta
    job: AnyJob | None
    handler: AnyHandler | None
    shape: TypeAdapter[Any]

    def message(self, payload: JsonObject) -> Any:
        """The task or event that was written as `payload`. Raises `pydantic.ValidationError`."""
        return self.shape.validate_python(payload)


@dataclass(frozen=True)
class Registry:
    """What the modules of this process can do, and which of it reacts to which event."""

    works: Mapping[str, Work]
    reactions: Mapping[str, Sequence[Work]]

    @property
    def scheduled(self) -> Sequence[AnyJob]:
        return [work.job for work in self.works.values() if work.job and work.job.schedule]


def registry_of(house: House) -> Registry:
    """The registry of this process, read from the manifests once."""
    for found in house.provided(Registry):
        return found
    registry = build_registry(house.modules)
    house.provide([registry])
    return registry


def build_registry(modules: Iterable[Module]) -> Registry:
    """Read the manifests. Raises `ValueError` for two jobs of one name, or one whose name is not its module's."""
    works: dict[str, Work] = {}
    reactions: dict[str, list[Work]] = {}
    for module_name, work in _all_works(modules):
        if work.name in works:
            raise ValueError(f"two jobs are called {work.name}")
        if not work.name.startswith(f"{module_name}."):
            raise ValueError(f"{work.name} is a job of {module_name}: its name begins with the module's")
        works[work.name] = work
        if work.handler:
            reactions.setdefault(work.handler.event.name, []).append(work)
    return Registry(works, reactions)


def queue_of(name: str, lane: str) -> str:
    """The broker's queue of a job: that of the module that owns it, such as `payments.money`."""
    return f"{name.partition('.')[0]}.{lane}"


def _all_works(modules: Iterable[Module]) -> Iterator[tuple[str, Work]]:
    for job in KERNEL_JOBS:
        yield "kernel", _of_job(job)
    for module in modules:
        for job in module.jobs():
            yield module.name, _of_job(job)
        for handler in module.handlers():
            yield module.name, _of_handler(module.name, handler)


def _of_job(job: AnyJob) -> Work:
    task = job.task
    return Work(task.name, task.lane, job.attempts, job.time_limit, job, None, TypeAdapter(task))


def _of_handler(module: str, handler: AnyHandler) -> Work:
    name = handler.name if handler.name.startswith(f"{module}.") else f"{module}.{handler.name}"
    shape: TypeAdapter[Any] = TypeAdapter(handler.event)
    return Work(name, handler.lane, handler.attempts, _HANDLER_TIME_LIMIT, None, handler, shape)
