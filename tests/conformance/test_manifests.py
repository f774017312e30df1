"""Every manifest keeps the promises the house makes of all modules. A new module is checked by being listed."""

import dataclasses
import inspect
from collections.abc import Iterator, Sequence

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from tillhouse.apps.compose import create_app
from tillhouse.catalogue import CATALOGUE
from tillhouse.kernel.access import opening_reason_of, permission_of
from tillhouse.kernel.db import Base
from tillhouse.kernel.house import House
from tillhouse.kernel.limits import limit_of
from tillhouse.kernel.manifest import Module, closure
from tillhouse.kernel.work import AnyJob, Event

MUTATING = {"POST", "PUT", "PATCH", "DELETE"}
each_module = pytest.mark.parametrize("module", CATALOGUE, ids=lambda module: module.name)


def routes(router: APIRouter | FastAPI) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route


def dependencies(dependant: Dependant) -> Iterator[object]:
    for child in dependant.dependencies:
        if child.call is not None:
            yield child.call
        yield from dependencies(child)


def routers(module: Module) -> list[APIRouter]:
    return [make() for make in (module.api, module.pages) if make]


def test_names_and_api_roots_are_unique() -> None:
    names = [module.name for module in CATALOGUE]
    roots = [root for module in CATALOGUE for root in module.api_roots]
    assert len(set(names)) == len(names)
    assert len(set(roots)) == len(roots)


def test_requirements_exist_and_make_no_circle() -> None:
    assert len(closure({m.name: m for m in CATALOGUE}, [m.name for m in CATALOGUE])) == len(CATALOGUE)


def owner_of(path: str, catalogue: Sequence[Module]) -> str | None:
    """The module whose root is the longest prefix of `path`."""
    found = [(len(r), m.name) for m in catalogue for r in m.api_roots if path == r or path.startswith(r + "/")]
    return max(found)[1] if found else None


@each_module
def test_every_api_route_lies_under_a_root_that_its_module_owns(module: Module) -> None:
    wrong = [r.path for r in routes(module.api()) if owner_of(r.path, CATALOGUE) != module.name] if module.api else []
    assert wrong == []


@each_module
def test_every_route_says_who_may_call_it(module: Module) -> None:
    silent = [
        f"{sorted(route.methods)} {route.path}"
        for router in routers(module)
        for route in routes(router)
        if not any(permission_of(d) or opening_reason_of(d) for d in dependencies(route.dependant))
    ]
    assert silent == []


@each_module
def test_every_permission_asked_for_is_declared_by_some_manifest(module: Module) -> None:
    declared = {permission.name for other in CATALOGUE for permission in other.permissions}
    asked = {
        p
        for r in routers(module)
        for route in routes(r)
        for d in dependencies(route.dependant)
        if (p := permission_of(d))
    }
    assert asked <= declared


@each_module
def test_every_mutating_route_has_a_rate_limit(module: Module) -> None:
    unlimited = [
        f"{sorted(route.methods)} {route.path}"
        for router in routers(module)
        for route in routes(router)
        if route.methods & MUTATING and not any(limit_of(d) for d in dependencies(route.dependant))
    ]
    assert unlimited == []


@each_module
def test_tables_lie_in_the_schema_of_their_module(module: Module) -> None:
    if not module.models:
        return
    source = module.models().__name__
    for mapper in Base.registry.mappers:
        if mapper.class_.__module__.startswith(source):
            assert mapper.local_table.schema == module.name, mapper.local_table.name  # type: ignore[attr-defined]


@each_module
def test_permissions_jobs_and_handlers_carry_the_name_of_their_module(module: Module) -> None:
    names = [p.name for p in module.permissions] + [job.task.name for job in module.jobs()]
    names += [handler.name for handler in module.handlers()]
    assert [name for name in names if not name.startswith(f"{module.name}.")] == []


@each_module
def test_every_handler_reacts_to_an_event_of_a_module_it_requires(module: Module) -> None:
    known = {m.name for m in closure({m.name: m for m in CATALOGUE}, [module.name])}
    for handler in module.handlers():
        assert issubclass(handler.event, Event)
        assert handler.event.name.split(".")[0] in known


@each_module
def test_every_job_binds_exactly_one_function_and_has_an_example(module: Module) -> None:
    for job in module.jobs():
        assert (job.run is None) != (job.flow is None), job.task.name
        assert job.example is not None, job.task.name
        assert dataclasses.is_dataclass(job.task)
        assert inspect.iscoroutinefunction(job.run or job.flow)


@each_module
def test_every_job_has_a_worker_that_takes_its_lane(module: Module) -> None:
    queues = {queue for process in module.processes for queue in process.queues}
    needed = {f"{module.name}.{job.task.lane}" for job in module.jobs()}
    needed |= {f"{module.name}.{handler.lane}" for handler in module.handlers()}
    assert needed <= queues


async def run_once(house: House, job: AnyJob) -> None:
    from tillhouse.kernel.work import enqueue, run_due

    async with house.database.transaction() as session:
        assert job.example is not None
        await enqueue(session, job.example())
    await run_due(house)


@pytest.mark.parametrize("job", [j for m in CATALOGUE for j in m.jobs()], ids=lambda job: job.task.name)
async def test_a_job_is_safe_to_run_twice(house: House, job: AnyJob) -> None:
    await run_once(house, job)
    await run_once(house, job)


async def test_every_link_in_a_menu_leads_somewhere(house: House) -> None:
    paths = {route.path for route in routes(create_app(house))}
    dangling = [item.path for module in CATALOGUE for item in module.nav if item.path not in paths]
    assert dangling == []
