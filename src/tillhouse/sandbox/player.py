"""What a player of the outside world tells the server: its doors, its pages, how it refuses, what it does by itself."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import JsonValue

from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.store import Record
from tillhouse.sandbox.webhooks import Delivery
from tillhouse.sandbox.world import World

Sender = Callable[[World, str, dict[str, JsonValue], str | None], Delivery]


class Refusal(Exception):
    """A refusal in a provider's own words."""

    @abstractmethod
    def response(self) -> Response:
        """The refusal on the wire."""


@dataclass(frozen=True)
class Page:
    """A list for people, at `/_sandbox/{path}`; `counts` is what it lists."""

    path: str
    label: str
    counts: type[Record]


@dataclass(frozen=True)
class Player:
    """One provider, as the sandbox plays it."""

    name: str
    apis: tuple[str, ...]
    """The names by which faults and webhooks know its products."""
    routers: tuple[APIRouter, ...]
    register: Callable[[World], None]
    """Teaches the outgoing queue and the agenda what the provider does by itself."""
    api_of: Callable[[str], str | None]
    """Which of the provider's APIs an address belongs to, if any."""
    trouble: Callable[[int], Response]
    """How it says 429 and 5xx."""
    no_such_url: Callable[[str, str, int], Response]
    """How it answers a method and path that it does not serve, with the status that the server would give."""
    facts: Callable[[SandboxSettings], Mapping[str, str]]
    """Addresses, keys and test values, for people."""
    pages: tuple[Page, ...] = ()
    about: str = "It answers calls and keeps nothing to look at."
    """What stands on the first page in place of lists, where there are none."""
    senders: Mapping[str, Sender] = field(default_factory=dict)
    """Queue an event (world, name, content, event id) of any content, rightly signed, by the API's name."""
    invalid: Callable[[Sequence[Any]], Response] | None = None
    """How it words the first of pydantic's complaints, where its routes do not do so themselves."""

    def page_at(self, address: str) -> Page | None:
        """The page shown at an address, or the one it belongs to."""
        return next((page for page in self.pages if f"{address}/".startswith(f"/_sandbox/{page.path}/")), None)
