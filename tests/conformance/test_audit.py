"""What staff do to people and money leaves a line in the audit log: found by following the calls of each route."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from types import FunctionType

from tests.conformance.test_manifests import MUTATING, answered_by
from tillhouse.catalogue import CATALOGUE
from tillhouse.parts.identity.service.audit import audit

# What leaves its trace elsewhere, or none is needed of.
WITHOUT = {
    "/ledger/transactions": "the transaction is the record",
    "/ledger/transactions/bulk": "the transactions are the record",
    "/ledger/transactions/{id}/reverse": "the reversal is the record",
    "/console/ledger/checks": "it reads",
}


def test_every_route_that_only_staff_may_use_to_change_something_is_audited() -> None:
    roles = {permission.name: permission.roles for module in CATALOGUE for permission in module.permissions}
    guarded = [
        one
        for module in CATALOGUE
        for one in answered_by(module)
        if one.permission and "user" not in roles[one.permission] and MUTATING & set(one.methods)
    ]
    assert len(guarded) > 50
    silent = {one.path for one in guarded if not reaches_audit(one.function, set())}
    assert silent == WITHOUT.keys()


def reaches_audit(function: object, seen: set[object]) -> bool:
    function = inspect.unwrap(function) if inspect.isfunction(function) else function
    if function is audit:
        return True
    if function in seen or not isinstance(function, FunctionType):
        return False
    seen.add(function)
    return any(reaches_audit(other, seen) for other in named_in(function))


def named_in(function: FunctionType) -> Iterator[object]:
    """The functions of the house that another one names."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        first, *rest = dotted(node)
        found: object = function.__globals__.get(first)
        for name in rest:
            found = getattr(found, name, None)
        if inspect.isfunction(found) and found.__module__.startswith("tillhouse."):
            yield found


def dotted(node: ast.AST) -> list[str]:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return [node.id, *names] if isinstance(node, ast.Name) else [""]
