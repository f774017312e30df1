"""Finding, listing, searching and expanding: the same for every object of Stripe's."""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import JsonValue

from tillhouse.sandbox.store import Scalar
from tillhouse.sandbox.stripe.calls import Call
from tillhouse.sandbox.stripe.errors import StripeError, bad_parameter, missing
from tillhouse.sandbox.stripe.schemas import Entity, ListQuery, Params, Range, SearchQuery, Wire
from tillhouse.sandbox.world import World

E = TypeVar("E", bound=Entity)

ALL = 100_000
_DEEPEST_EXPANSION = 4

# What an id of some prefix names, and what an object shows only when it is asked for. Filled by `expandable`.
_BY_PREFIX: dict[str, type[Entity]] = {}
_ON_DEMAND: dict[tuple[str, str], Callable[[World, str], JsonValue]] = {}


def expandable(prefix: str, model: type[Entity]) -> None:
    """Let ids that begin with `prefix_` be expanded into their objects."""
    _BY_PREFIX[prefix] = model


def on_demand(kind: str, field: str, read: Callable[[World, str], JsonValue]) -> None:
    """Let `field` of objects of `kind` be shown when `expand` names it; `read` gets the object's id."""
    _ON_DEMAND[kind, field] = read


def find(world: World, model: type[E], record_id: str, account: str | None, param: str = "id") -> E:
    """The account's object of that id; of any account when it is None.

    Raises:
        StripeError: there is none (404, or 400 where the id is a parameter).
    """
    record = world.store.get(model, record_id)
    if record is None or account not in {None, record.account}:
        raise missing(model.noun, record_id, param)
    return record


def shown(call: Call, entity: Entity, asked: Params) -> Wire:
    """The object as it is answered, with what `expand` asks for."""
    document = entity.wire()
    expand(call.world, document, asked.expand)
    return document


def expand(world: World, document: Wire, paths: list[str]) -> None:
    """Put objects in place of their ids along every dotted path.

    Raises:
        StripeError: a path that leads nowhere, or too deep.
    """
    for path in paths:
        steps = path.split(".")
        if len(steps) > _DEEPEST_EXPANSION:
            raise bad_parameter("You cannot expand more than 4 levels of a property.", "expand")
        _expand(world, document, steps, path)


def listed(call: Call, model: type[E], query: ListQuery, where: Mapping[str, Scalar], url: str) -> Wire:
    """One page of the account's objects, newest first.

    Raises:
        StripeError: a cursor that names nothing.
    """
    wanted = {"account": call.account, **where}
    return page_of(call, call.world.store.find(model, wanted, limit=ALL), query, url)


def page_of(call: Call, records: list[E], query: ListQuery, url: str) -> Wire:
    """One page of `records`, which are in the list's order, narrowed to the times asked for."""
    records = [record for record in records if in_range(record.created_at, query.created)]
    names = [record.id for record in records]
    if query.ending_before is not None:
        end = _place(names, query.ending_before, "ending_before", records)
        start = max(0, end - query.limit)
        chosen, more = records[start:end], start > 0
    else:
        start = 0
        if query.starting_after is not None:
            start = _place(names, query.starting_after, "starting_after", records) + 1
        chosen, more = records[start : start + query.limit], start + query.limit < len(records)
    document = list_of([record.wire() for record in chosen], url, more=more)
    expand(call.world, document, query.expand)
    return document


def list_of(items: list[Wire], url: str, *, more: bool = False) -> Wire:
    """Stripe's envelope of a list."""
    return {"object": "list", "data": list(items), "has_more": more, "url": url}


def searched(call: Call, model: type[E], query: SearchQuery, url: str) -> Wire:
    """What a search finds, newest first. Stripe's own index lags behind by up to a minute; this one does not.

    Raises:
        StripeError: a query that is not in Stripe's language.
    """
    holds = _condition(query.query)
    found = [r for r in call.world.store.find(model, {"account": call.account}, limit=ALL) if holds(r.wire())]
    start = int(query.page) if query.page and query.page.isdecimal() else 0
    end = start + query.limit
    document: Wire = {
        "object": "search_result",
        "data": [record.wire() for record in found[start:end]],
        "has_more": end < len(found),
        "next_page": str(end) if end < len(found) else None,
        "url": url,
    }
    if "total_count" in query.expand:
        document["total_count"] = len(found)
    expand(call.world, document, [path for path in query.expand if path != "total_count"])
    return document


def in_range(at: int, wanted: int | Range | None) -> bool:
    """Whether a time is the one asked for, or within the times asked for."""
    if wanted is None:
        return True
    return at == wanted if isinstance(wanted, int) else wanted.holds(at)


def _place(names: list[str], cursor: str, param: str, records: list[E]) -> int:
    try:
        return names.index(cursor)
    except ValueError:
        noun = records[0].noun if records else "object"
        raise missing(noun, cursor, param) from None


def _expand(world: World, value: JsonValue, steps: list[str], path: str) -> None:
    if isinstance(value, list):
        for item in value:
            _expand(world, item, steps, path)
        return
    if not isinstance(value, dict):
        return
    field, rest = steps[0], steps[1:]
    read = _ON_DEMAND.get((str(value.get("object")), field))
    if read is not None and value.get(field) is None:
        value[field] = read(world, str(value["id"]))
    elif field not in value:
        raise bad_parameter(f"This property cannot be expanded ({path}).", "expand")
    inner = value[field]
    if isinstance(inner, str):
        inner = value[field] = _object_of(world, inner, path)
    if rest:
        _expand(world, inner, rest, path)


def _object_of(world: World, record_id: str, path: str) -> JsonValue:
    model = _BY_PREFIX.get(record_id.partition("_")[0])
    record = world.store.get(model, record_id) if model else None
    if record is None:
        raise bad_parameter(f"This property cannot be expanded ({path}).", "expand")
    return record.wire()


# --- search ---------------------------------------------------------------------------------------------------------

_CLAUSE = re.compile(
    r"""(?P<no>-?)(?P<field>[a-z_.]+)(\[(['"])(?P<key>[^'"]+)\4\])?(?P<how>:|~|>=|<=|>|<|=)"""
    r"""(?P<value>"[^"]*"|'[^']*'|null|[\w.-]+)""",
    re.IGNORECASE,
)
_JOINT = re.compile(r"\s+(?:(?P<word>AND|OR)\s+)?", re.IGNORECASE)

Holds = Callable[[Wire], bool]


def _condition(query: str) -> Holds:
    """A query such as `status:'succeeded' AND metadata['order_id']:'6735'`, as a test of one object."""
    clauses: list[Holds] = []
    words: set[str] = set()
    at = 0
    while at < len(query):
        clause = _CLAUSE.match(query, at)
        if clause is None:
            raise _no_such_query(query)
        clauses.append(_clause(clause))
        at = clause.end()
        joint = _JOINT.match(query, at) if at < len(query) else None
        if at < len(query) and (joint is None or joint.end() == len(query)):
            raise _no_such_query(query)
        if joint is not None:
            words.add((joint["word"] or "AND").upper())
            at = joint.end()
    if not clauses or len(words) > 1:
        raise _no_such_query(query)
    every = any if words == {"OR"} else all
    return lambda document: every(clause(document) for clause in clauses)


def _clause(match: re.Match[str]) -> Holds:
    field, key, how, negated = match["field"].lower(), match["key"], match["how"], bool(match["no"])
    value = None if match["value"].lower() == "null" else match["value"].strip("'\"")

    def holds(document: Wire) -> bool:
        have = document.get(field)
        if key is not None:
            have = have.get(key) if isinstance(have, dict) else None
        return _compares(have, how, value) is not negated

    return holds


def _compares(have: JsonValue, how: str, value: str | None) -> bool:
    if value is None or have is None:
        return have is None and value is None
    if how in {":", "="}:
        return str(have).lower() == value.lower()
    if how == "~":
        return value.lower() in str(have).lower()
    if not isinstance(have, int) or not value.lstrip("-").isdecimal():
        return False
    number = int(value)
    return {">": have > number, ">=": have >= number, "<": have < number, "<=": have <= number}[how]


def _no_such_query(query: str) -> StripeError:
    return bad_parameter(f"We were unable to parse your search query `{query}`.", "query")
