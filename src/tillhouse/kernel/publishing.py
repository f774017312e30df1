"""Events that leave the house: a module names them, whatever carries them out is another's business.

    PUBLISHED = (PublishedEvent(event=TipLeft, type="tip.left", title=N_("Someone left a tip"), render=_tip),)

A module's manifest `provides` them (so that they can be listed and chosen), and its `HANDLERS` end in
`*publishing(PUBLISHED)`. The handler runs where the module's code is, once per event, after the commit.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.work import AnyHandler, Event, Handler, Occurrence, occurrence

E = TypeVar("E", bound=Event)

Rendering = Callable[[], Awaitable[JsonObject | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedEvent(Generic[E]):
    """An event as the outside knows it: `type` is its stable name there, `title` says what has happened.

    `render` gives ids, amounts and the state that the event is about: never personal data, and never a state that may
    have changed since. None when there is nothing to tell.
    """

    event: type[E]
    type: str
    title: str
    render: Callable[[ReadSession, E], Awaitable[JsonObject | None]]


# A list of them holds renderers of different events; each is called only with the event it was bound to.
AnyPublishedEvent = PublishedEvent[Any]


class Publisher(Protocol):
    """Takes an event to whoever outside wants it; `render` is called only when somebody does."""

    async def __call__(self, session: Session, type: str, happened: Occurrence, render: Rendering) -> None: ...  # noqa: A002


@dataclass(frozen=True, slots=True)
class Publishing:
    """What the part that carries events out provides. A house without it publishes nothing."""

    publish: Publisher


def publishing(published: Sequence[AnyPublishedEvent]) -> tuple[AnyHandler, ...]:
    """The handlers that hand each of these events to whatever publishes."""
    return tuple(_handler(one) for one in published)


def _handler(published: AnyPublishedEvent) -> AnyHandler:
    async def publish(session: Session, event: Event) -> None:
        async def render() -> JsonObject | None:
            return await published.render(session, event)

        for carrier in house_of(session).provided(Publishing):
            await carrier.publish(session, published.type, await occurrence(session), render)

    return Handler(event=published.event, name=f"publish_{published.type.replace('.', '_')}", run=publish)
