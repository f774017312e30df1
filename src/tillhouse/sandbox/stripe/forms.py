"""Stripe's request encoding: `a[b][0]=c` in forms and queries, read into models that refuse what they do not know."""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import BaseModel, ValidationError

from tillhouse.sandbox.stripe.errors import StripeError, bad_parameter

# A node is a text, or a table of nodes; a table whose keys are all numbers (or `[]`) becomes a list.
Node = str | dict[str, "Node"]
Value = str | list["Value"] | dict[str, "Value"]

M = TypeVar("M", bound=BaseModel)

_DEEPEST = 10


def parse(text: str) -> dict[str, Value]:
    """The nested parameters of a form body or query string.

    Raises:
        StripeError: a name that is both a value and a table, or brackets that do not close.
    """
    root: dict[str, Node] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        _set(root, _path_of(name), value, name)
    return {name: _listed(node) for name, node in root.items()}


def params(model: type[M]) -> Callable[[Request], Awaitable[M]]:
    """A dependency that reads the request's parameters: the body of a POST, the query of everything else."""

    async def read(request: Request) -> M:
        text = (await request.body()).decode() if request.method == "POST" else request.url.query
        try:
            return model.model_validate(parse(text))
        except ValidationError as error:
            raise _refused(error) from None

    return read


def _path_of(name: str) -> list[str]:
    head, bracket, rest = name.partition("[")
    if not bracket:
        return [name]
    if not head or not rest.endswith("]") or rest.count("[") != rest.count("]") - 1:
        raise bad_parameter(f"Invalid parameter name: {name}", name)
    path = [head, *rest[:-1].split("][")]
    if len(path) > _DEEPEST:
        raise bad_parameter(f"Invalid parameter name: {name}", name)
    return path


def _set(root: dict[str, Node], path: list[str], value: str, name: str) -> None:
    table = root
    for step in path[:-1]:
        inner = table.setdefault(step or str(len(table)), {})
        if isinstance(inner, str):
            raise bad_parameter(f"Invalid {name}: it is given as a value and as a table", name)
        table = inner
    last = path[-1] or str(len(table))
    if isinstance(table.get(last), dict):
        raise bad_parameter(f"Invalid {name}: it is given as a value and as a table", name)
    table[last] = value


def _listed(node: Node) -> Value:
    if isinstance(node, str):
        return node
    if node and all(key.isdecimal() for key in node):
        return [_listed(node[key]) for key in sorted(node, key=int)]
    return {key: _listed(inner) for key, inner in node.items()}


def _refused(error: ValidationError) -> StripeError:
    """The first complaint, in Stripe's words."""
    first = error.errors(include_url=False)[0]
    where = [str(step) for step in first["loc"] if isinstance(step, int) or not _is_a_type_name(step)]
    param = where[0] + "".join(f"[{step}]" for step in where[1:]) if where else ""
    given = first["input"]
    if first["type"] == "missing":
        return bad_parameter(f"Missing required param: {param}.", param, "parameter_missing")
    if first["type"] == "extra_forbidden":
        return bad_parameter(f"Received unknown parameter: {param}", param, "parameter_unknown")
    if first["type"].startswith("int_"):
        return bad_parameter(f"Invalid integer: {given}", param, "parameter_invalid_integer")
    if first["type"] == "literal_error":
        return bad_parameter(f"Invalid {param}: must be one of {first['ctx']['expected']}", param)
    if given == "":
        message = (
            f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a parameter"
        )
        return bad_parameter(f"{message}; however '{param}' cannot be unset.", param, "parameter_invalid_empty")
    return bad_parameter(f"Invalid {param}: {first['msg']}", param)


def _is_a_type_name(step: str) -> bool:
    """Whether a step of a complaint's path is pydantic's name for a branch of a union, not a parameter's."""
    return step in {"int", "str", "Range"} or "[" in step
