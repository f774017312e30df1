"""A receiver of webhooks somewhere on the internet, and a house with something to tell it."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from standardwebhooks.webhooks import Webhook

from tests.registry import put_in_place
from tillhouse.apps.compose import build_house, create_app
from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject, ReadSession
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.manifest import Module, Process
from tillhouse.kernel.publishing import PublishedEvent, publishing
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import Event, emit, event, run_due
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.destinations import Rules
from tillhouse.parts.channels.manifest import MODULE as CHANNELS
from tillhouse.parts.channels.models import WebhookAttemptRow, WebhookDeliveryRow, WebhookEndpointRow
from tillhouse.parts.channels.ports import WebhookNetwork
from tillhouse.parts.channels.service import endpoints
from tillhouse.parts.files.manifest import MODULE as FILES
from tillhouse.parts.identity.manifest import MODULE as IDENTITY
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.transport import SandboxTransport

PUBLIC = "93.184.216.34"
URL = "https://hooks.example.com/in?tenant=7"


@event("tips.tip_left")
class TipLeft(Event):
    tip_id: UUID


@event("tips.tip_returned")
class TipReturned(Event):
    tip_id: UUID


async def _tip(session: ReadSession, happened: TipLeft) -> JsonObject | None:
    return {"object": "tip", "id": str(happened.tip_id), "status": "left", "note": "शुक्रिया"}


async def _nothing(session: ReadSession, happened: TipReturned) -> JsonObject | None:
    return None


PUBLISHED = (
    PublishedEvent(event=TipLeft, type="tip.left", title="A tip was left", render=_tip),
    PublishedEvent(event=TipReturned, type="tip.returned", title="A tip went back", render=_nothing),
)

TIPS = Module(
    name="tips",
    title="Tips",
    floor="product",
    folder=Path(__file__).parent,
    requires=("identity",),
    handlers=lambda: publishing(PUBLISHED),
    processes=(Process("tips", "worker", queues=("tips.quick",)),),
    provides=lambda house: PUBLISHED,
)


@dataclass
class Received:
    """One request as the receiver saw it."""

    url: str
    headers: httpx.Headers
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Takes everything, until told how to answer; `script` is used up first."""

    answer: int | Callable[[httpx.Request], httpx.Response] = 200
    script: list[int | httpx.Response | BaseException] = field(default_factory=list)
    got: list[Received] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        host = request.headers["host"]
        self.got.append(Received(str(request.url.copy_with(host=host)), request.headers, request.content))
        answer = self.script.pop(0) if self.script else self.answer
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, int):
            return httpx.Response(answer, text=f"answer {answer}")
        return answer(request) if callable(answer) else answer


class Wire(httpx.AsyncByteStream):
    """A body as it comes over a wire: piece by piece."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), 1000):
            yield self._content[start : start + 1000]


class Internet(httpx.AsyncBaseTransport):
    """The way to the receiver."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._receiver(request)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=Wire(answer.content))


@dataclass
class Office:
    """The house, the receiver, and what a test does with both. `names` are what the resolver knows."""

    house: House
    app: FastAPI
    receiver: Receiver
    at: clock.TestClock
    names: dict[str, Sequence[str]]

    async def endpoint(
        self, url: str = URL, *types: str, actor: Principal | None = None
    ) -> tuple[WebhookEndpointRow, str]:
        who = actor or Principal("person", id=new_id())
        async with self.house.database.transaction() as session:
            made = await endpoints.create(session, who, url, types or ("*",))
        return made.row, made.secret

    async def tip(self) -> UUID:
        tip_id = new_id()
        async with self.house.database.transaction() as session:
            await emit(session, TipLeft(tip_id=tip_id))
        return tip_id

    async def told(self) -> UUID:
        """A tip, and everything that is due because of it."""
        tip_id = await self.tip()
        await run_due(self.house)
        return tip_id

    async def later(self, by: timedelta) -> None:
        self.at.advance(by)
        await run_due(self.house)

    async def deliveries(self) -> list[WebhookDeliveryRow]:
        """Newest first."""
        async with self.house.database.reading() as session:
            return [row for row, _ in await store.deliveries(session, limit=1000)]

    async def delivery(self) -> WebhookDeliveryRow:
        (only,) = await self.deliveries()
        return only

    async def attempts(self) -> Sequence[WebhookAttemptRow]:
        """Of the only delivery, oldest first."""
        only = await self.delivery()
        async with self.house.database.reading() as session:
            return list(reversed(await store.attempts(session, only.id)))

    async def see(self, endpoint_id: UUID) -> WebhookEndpointRow:
        async with self.house.database.reading() as session:
            found = await store.endpoint(session, endpoint_id)
        assert found
        return found

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        if host not in self.names:
            raise OSError(host)
        return self.names[host]


def verified(secret: str, received: Received) -> Any:
    """What the official library makes of a request. Its clock is the system's: only the signature is of interest."""
    return Webhook(secret).verify(received.body, dict(received.headers))


@asynccontextmanager
async def open_office(
    settings: KernelSettings, sandbox: Sandbox, at: clock.TestClock, *modules: Module
) -> AsyncIterator[Office]:
    receiver = Receiver()
    internet = Internet(receiver)
    mounts = {
        "http://sandbox": SandboxTransport(sandbox),
        f"https://{PUBLIC}": internet,
        "https://[2606:2800::1]": internet,
    }
    house = build_house(settings, catalogue=modules or (IDENTITY, FILES, CHANNELS, TIPS), mounts=mounts)
    office = Office(house, create_app(house), receiver, at, {"hooks.example.com": [PUBLIC]})
    guarded = WebhookNetwork(Rules(guarded=True), office.resolve)
    put_in_place(house, lambda thing: isinstance(thing, WebhookNetwork), guarded)
    try:
        yield office
    finally:
        await house.close()
