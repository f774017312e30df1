"""The API as a page: made from the OpenAPI document and the routes themselves, so that it says who may call what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import FastAPI

from tillhouse.kernel.db import JsonObject, JsonValue
from tillhouse.kernel.routes import Endpoint, endpoints


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a request or answer."""

    name: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    permission: str
    limit: str
    parameters: Sequence[Field]
    body: Sequence[Field]
    answers: Sequence[tuple[str, str, Sequence[Field]]]


def operations(app: FastAPI) -> Mapping[str, Sequence[Operation]]:
    """Every operation that the API's description lists, by module."""
    document: JsonObject = app.openapi()
    grouped: dict[str, list[Operation]] = {}
    for endpoint in endpoints(app.routes):
        if endpoint.listed:
            for method in endpoint.methods:
                described = _object(_object(_object(document["paths"]).get(endpoint.path)).get(method.lower()))
                operation = _operation(document, endpoint, method, described)
                grouped.setdefault(next(iter(endpoint.tags), "house"), []).append(operation)
    return grouped


def _operation(document: JsonObject, endpoint: Endpoint, method: str, described: JsonObject) -> Operation:
    first, _, rest = str(described.get("description", "")).partition("\n")
    return Operation(
        id=f"{method.lower()}{endpoint.path.replace('/', '-').replace('{', '').replace('}', '')}",
        method=method,
        path=endpoint.path,
        summary=first,
        description=rest.strip(),
        permission=endpoint.permission or "",
        limit=endpoint.limit.rule if endpoint.limit else "",
        parameters=[_parameter(document, _object(one)) for one in _list(described.get("parameters"))],
        body=_fields_of(document, _object(described.get("requestBody"))),
        answers=[
            (status, str(_object(answer).get("description", "")), _fields_of(document, _object(answer)))
            for status, answer in _object(described.get("responses")).items()
        ],
    )


def _parameter(document: JsonObject, described: JsonObject) -> Field:
    return Field(
        name=str(described["name"]),
        kind=f"{described['in']} · {_kind(document, _object(described.get('schema')))}",
        required=bool(described.get("required")),
        description=str(described.get("description", "")),
    )


def _fields_of(document: JsonObject, described: JsonObject) -> Sequence[Field]:
    """The fields of the first JSON or form content that is described."""
    for content in _object(described.get("content")).values():
        schema = _resolved(document, _object(_object(content).get("schema")))
        required = _list(schema.get("required"))
        return [
            Field(name, _kind(document, _object(value)), name in required, str(_object(value).get("description", "")))
            for name, value in _object(schema.get("properties")).items()
        ]
    return []


def _kind(document: JsonObject, schema: JsonObject) -> str:
    schema = _resolved(document, schema)
    if choices := _list(schema.get("anyOf")) or _list(schema.get("oneOf")):
        return " or ".join(_kind(document, _object(choice)) for choice in choices)
    if values := _list(schema.get("enum")):
        return " | ".join(f'"{value}"' for value in values)
    if "const" in schema:
        return f'"{schema["const"]}"'
    if schema.get("type") == "array":
        return f"list of {_kind(document, _object(schema.get('items')))}"
    return str(schema.get("format") or schema.get("title" if schema.get("type") == "object" else "type") or "any")


def _resolved(document: JsonObject, schema: JsonObject) -> JsonObject:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    found: JsonValue = document
    for step in reference.removeprefix("#/").split("/"):
        found = _object(found)[step]
    return _object(found)


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
