"""A sandbox in this process, its clock in our hand, and an app that takes its webhooks."""

import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from selenium import webdriver
from starlette.types import Receive, Scope, Send

from tests.sandbox.browsing import chromium
from tests.sandbox.stripe_shop import Shop, open_shop
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.transport import SandboxTransport


@dataclass
class Taken:
    """One webhook as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An app that takes webhooks and answers the status it is told to."""

    status: int = 200
    taken: list[Taken] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.taken.append(Taken(scope["path"], headers, body))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        self.arrived.release()

    @property
    def events(self) -> list[str]:
        return [event_of(taken) for taken in self.taken]


def event_of(taken: Taken) -> str:
    event: str = httpx.Response(200, content=taken.body).json()["event"]
    return event


@pytest.fixture
def settings() -> SandboxSettings:
    return SandboxSettings()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def sandbox(settings: SandboxSettings, clock: ManualClock, receiver: Receiver) -> AsyncIterator[Sandbox]:
    sandbox = create_sandbox(settings, now_ms=clock)
    sandbox.send_through(httpx.ASGITransport(app=receiver))
    yield sandbox
    await sandbox.aclose()


@pytest.fixture
async def person(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """Someone at the sandbox's own pages."""
    async with httpx.AsyncClient(transport=SandboxTransport(sandbox), base_url="http://sandbox") as client:
        yield client


@pytest.fixture
async def razorpay(sandbox: Sandbox, settings: SandboxSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A merchant's client of Razorpay's API."""
    async with httpx.AsyncClient(
        transport=SandboxTransport(sandbox),
        base_url="http://sandbox/razorpay/v1",
        auth=(settings.razorpay_key_id, settings.razorpay_key_secret),
    ) as client:
        yield client


@pytest.fixture
async def contact(razorpay: httpx.AsyncClient) -> str:
    """Someone whom RazorpayX can pay."""
    response = await razorpay.post("/contacts", json={"name": "Asha Kumar", "type": "customer", "reference_id": "u1"})
    identifier: str = response.json()["id"]
    return identifier


@pytest.fixture
def shop(receiver: Receiver, clock: ManualClock) -> Iterator[Shop]:
    """A shop that takes money with Stripe's official SDK, over sockets."""
    with open_shop(receiver, clock) as shop:
        yield shop


@pytest.fixture
async def omise(sandbox: Sandbox, settings: SandboxSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A merchant's client of Omise's API."""
    async with httpx.AsyncClient(
        transport=SandboxTransport(sandbox), base_url="http://sandbox", auth=(settings.omise_secret_key, "")
    ) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """One browser for a module of tests."""
    with chromium() as chrome:
        yield chrome
