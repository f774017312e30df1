"""Keys, versions and bodies: HTTP Basic with a key and no password; forms or JSON; lists asked for either way."""

import hmac
import json
import re
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, JsonValue, ValidationError

from tillhouse.sandbox.basic import basic_credentials
from tillhouse.sandbox.omise.errors import bad_request, from_validation, unauthorized
from tillhouse.sandbox.omise.schemas import Entity, Wire, iso
from tillhouse.sandbox.store import Scalar
from tillhouse.sandbox.world import Here, World

M = TypeVar("M", bound=BaseModel)
E = TypeVar("E", bound=Entity)

CURRENT_VERSION = "2019-05-29"
_OLD_VERSIONS = {"2014-07-27", "2015-11-17", "2017-11-02"}
_OLD_NAMES = {"created_at": "created", "refunded_amount": "refunded", "direction": "type"}
_MOST_LISTED = 100


class OmiseRoute(APIRoute):
    """Answers in the version that the caller asks for with `Omise-Version`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def in_version(request: Request) -> Response:
            version = request.headers.get("omise-version", CURRENT_VERSION)
            if version != CURRENT_VERSION and version not in _OLD_VERSIONS:
                raise bad_request(f"API version {version} is not supported")
            response = await handle(request)
            if version in _OLD_VERSIONS and response.headers.get("content-type") == "application/json":
                response.body = JSONResponse(_in_old_names(json.loads(bytes(response.body)))).body
                response.headers["content-length"] = str(len(response.body))
            return response

        return in_version


class ListQuery(BaseModel):
    """What every list takes. More than 100 at once are cut to 100."""

    limit: int | None = Field(None, ge=1)
    offset: int | None = Field(None, ge=0)
    since: datetime | None = Field(None, alias="from")
    until: datetime | None = Field(None, alias="to")
    order: Literal["chronological", "reverse_chronological"] | None = None


def _key_of(request: Request) -> str:
    """The user name of HTTP Basic; the password must be empty."""
    name, password = basic_credentials(request)
    return "" if password else name


def require_secret_key(request: Request, world: Here) -> None:
    """Refuse whoever does not hold the secret key.

    Raises:
        OmiseError: 401.
    """
    if not hmac.compare_digest(_key_of(request).encode(), world.settings.omise_secret_key.encode()):
        raise unauthorized()


def require_public_key(request: Request, world: Here) -> None:
    """Refuse whoever does not use the public key: the vault takes no other.

    Raises:
        OmiseError: 401.
    """
    if _key_of(request) != world.settings.omise_public_key:
        raise unauthorized()


def require_any_key(request: Request, world: Here) -> None:
    """Refuse whoever holds neither the public nor the secret key.

    Raises:
        OmiseError: 401.
    """
    if _key_of(request) not in {world.settings.omise_public_key, world.settings.omise_secret_key}:
        raise unauthorized()


async def read(request: Request, model: type[M]) -> M:
    """The body (a form with `a[b]` names, or JSON) as `model`.

    Raises:
        OmiseError: 400, in Omise's words.
    """
    return _valid(model, await _document(request))


async def _list_query(request: Request) -> ListQuery:
    """How to list: from the query, and from the body that the official SDKs send even with GET."""
    asked = {**await _document(request), **request.query_params}
    return _valid(ListQuery, {name: value for name, value in asked.items() if value is not None})


Listing = Annotated[ListQuery, Depends(_list_query)]


def listed(
    world: World,
    model: type[E],
    query: ListQuery,
    location: str,
    *,
    wire: Callable[[E], Wire] | None = None,
    where: dict[str, Scalar] | None = None,
) -> Wire:
    """Omise's envelope of a list."""
    limit, offset = min(query.limit or 20, _MOST_LISTED), query.offset or 0
    since = int(query.since.timestamp()) if query.since else 0
    until = int(query.until.timestamp()) if query.until else world.clock.now_s()
    found = world.store.find(
        model,
        where,
        since=since,
        until=until,
        limit=limit,
        skip=offset,
        oldest_first=query.order != "reverse_chronological",
    )
    return {
        "object": "list",
        "data": [wire(item) if wire else item.wire() for item in found],
        "limit": limit,
        "offset": offset,
        "total": world.store.count(model, where, since=since, until=until),
        "location": location,
        "order": query.order or "chronological",
        "from": iso(since),
        "to": iso(until),
    }


def _valid(model: type[M], document: dict[str, Any]) -> M:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise from_validation(error.errors()) from None


async def _document(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if not raw.strip():
        return {}
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            document = json.loads(raw)
        except ValueError:
            raise bad_request("the body is not valid JSON") from None
        if not isinstance(document, dict):
            raise bad_request("the body must be an object")
        return document
    return _nested((await request.form()).multi_items())


def _nested(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """Form fields `a[b]=1` as `{"a": {"b": 1}}`, `a[]=1` as `{"a": [1]}`."""
    document: dict[str, Any] = {}
    for name, value in items:
        first, *rest = re.findall(r"[^\[\]]+|\[\]", name) or [name]
        if rest == ["[]"]:
            document.setdefault(first, []).append(value)
            continue
        *parents, last = [first, *rest]
        place = document
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise bad_request(f"{parent} is given twice")
        place[last] = value
    return document


def _in_old_names(value: JsonValue) -> JsonValue:
    """An answer of before 2019-05-29. Only the names that changed for certain are changed back."""
    if isinstance(value, dict):
        return {_OLD_NAMES.get(name, name): _in_old_names(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_in_old_names(inner) for inner in value]
    return value
