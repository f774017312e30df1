"""Every manifest keeps the promises the house makes of all modules. A new module is checked by being listed."""

import dataclasses
import inspect
from collections.abc import Sequence

import pytest

from tillhouse.apps.compose import create_app
from tillhouse.catalogue import CATALOGUE
from tillhouse.kernel.db import Base
from tillhouse.kernel.house import House
from tillhouse.kernel.idempotency import requires_key
from tillhouse.kernel.manifest import Module, closure
from tillhouse.kernel.routes import Endpoint, endpoints
from tillhouse.kernel.work import AnyJob, Event, enqueue, run_due
from tillhouse.parts.ai.api.chat import PurposeTitle
from tillhouse.parts.billing.api import PaidPurpose
from tillhouse.parts.billing.settings import BillingSettings

MUTATING = {"POST", "PUT", "PATCH", "DELETE"}
each_module = pytest.mark.parametrize("module", CATALOGUE, ids=lambda module: module.name)


def answered_by(module: Module) -> list[Endpoint]:
    return [endpoint for make in (module.api, module.pages) if make for endpoint in endpoints(make().routes)]


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
    found = endpoints(module.api().routes) if module.api else ()
    wrong = [endpoint.path for endpoint in found if owner_of(endpoint.path, CATALOGUE) != module.name]
    assert wrong == []


@each_module
def test_every_route_says_who_may_call_it(module: Module) -> None:
    silent = [one for one in answered_by(module) if not (one.permission or one.opening_reason)]
    assert [(one.methods, one.path) for one in silent] == []


@each_module
def test_every_permission_asked_for_is_declared_by_some_manifest(module: Module) -> None:
    declared = {permission.name for other in CATALOGUE for permission in other.permissions}
    assert {one.permission for one in answered_by(module) if one.permission} <= declared


@each_module
def test_every_mutating_route_has_a_rate_limit(module: Module) -> None:
    unlimited = [one for one in answered_by(module) if MUTATING & set(one.methods) and not one.limit]
    assert [(one.methods, one.path) for one in unlimited] == []


@each_module
def test_no_route_waits_for_a_thread(module: Module) -> None:
    """A dependency that is not `async` is run in a thread: a millisecond under load, for what takes a microsecond."""
    threaded = [
        (one.path, dependency)
        for one in answered_by(module)
        for dependency in one.dependencies
        if not (
            inspect.iscoroutinefunction(dependency)
            or inspect.isasyncgenfunction(dependency)
            or inspect.iscoroutinefunction(type(dependency).__call__)
        )
    ]
    assert threaded == []


def test_every_route_that_moves_money_requires_an_idempotency_key() -> None:
    found = [endpoint for module in CATALOGUE if module.api for endpoint in endpoints(module.api().routes)]
    keyed = {endpoint.path for endpoint in found if any(requires_key(one) for one in endpoint.dependencies)}
    posting = {f"/ledger/transactions{end}" for end in ("", "/bulk", "/{id}/reverse")}
    assert posting | {"/payments/create-order", "/payments/payout", "/wallets/deposit", "/wallets/withdraw"} <= keyed


@each_module
def test_tables_lie_in_the_schema_of_their_module(module: Module) -> None:
    if not module.models:
        return
    source = module.models().__name__
    for mapper in Base.registry.mappers:
        if mapper.class_.__module__.startswith(source):
            assert mapper.local_table.schema == module.name, mapper.local_table.name  # type: ignore[attr-defined]


@each_module
def test_permissions_and_jobs_carry_the_name_of_their_module(module: Module) -> None:
    names = [p.name for p in module.permissions] + [job.task.name for job in module.jobs()]
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


def test_people_read_by_a_name_whatever_they_can_be_charged_for(house: House) -> None:
    charged = {one.purpose for one in house.provided(PaidPurpose)}
    charged |= set(house.settings_of(BillingSettings).paid_purposes)
    assert charged
    assert charged <= {one.purpose for one in house.provided(PurposeTitle)}


async def run_once(house: House, job: AnyJob) -> None:
    async with house.database.transaction() as session:
        assert job.example is not None
        await enqueue(session, job.example())
    await run_due(house)


@pytest.mark.parametrize("job", [j for m in CATALOGUE for j in m.jobs()], ids=lambda job: job.task.name)
async def test_a_job_is_safe_to_run_twice(house: House, job: AnyJob) -> None:
    await run_once(house, job)
    await run_once(house, job)


async def test_every_link_in_a_menu_leads_somewhere(house: House) -> None:
    paths = {endpoint.path for endpoint in endpoints(create_app(house).routes)}
    dangling = [item.path for module in CATALOGUE for item in module.nav if item.path not in paths]
    assert dangling == []
