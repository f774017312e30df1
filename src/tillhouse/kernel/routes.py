"""What an app or router answers, and on what terms: for the API's page and the checks of conformance."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from tillhouse.kernel.access import opening_reason_of, permission_of
from tillhouse.kernel.limits import RateLimit, limit_of


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route as it is served: its whole path, its methods, the function that answers, all that it depends on."""

    path: str
    methods: tuple[str, ...]
    tags: tuple[str, ...]
    listed: bool
    function: Callable[..., object]
    dependencies: tuple[object, ...]

    @property
    def permission(self) -> str | None:
        return next((name for one in self.dependencies if (name := permission_of(one))), None)

    @property
    def opening_reason(self) -> str | None:
        return next((reason for one in self.dependencies if (reason := opening_reason_of(one))), None)

    @property
    def limit(self) -> RateLimit | None:
        return next((limit for one in self.dependencies if (limit := limit_of(one))), None)


def endpoints(routes: Sequence[BaseRoute]) -> Iterator[Endpoint]:
    """Every endpoint among `routes`, those of included routers with their whole paths."""
    for found in iter_route_contexts(routes):
        if isinstance(found.original_route, APIRoute):
            yield Endpoint(
                path=found.path or "",
                methods=tuple(sorted(found.methods or ())),
                tags=tuple(str(tag) for tag in found.tags),
                listed=found.include_in_schema,
                function=found.original_route.endpoint,
                dependencies=tuple(_calls(found.dependant)),
            )


def _calls(dependant: Dependant) -> Iterator[object]:
    for child in dependant.dependencies:
        if child.call is not None:
            yield child.call
        yield from _calls(child)
