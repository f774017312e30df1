"""`/ws`: a person hears of their own money, over a real server, on terms that protect both sides."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from prometheus_client import REGISTRY
from starlette.types import Message
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.parts.payments.test_endpoints import VPA, Caller, someone
from tests.parts.payments.till import Till, open_till
from tillhouse.apps.commands.serve import OPTIONS
from tillhouse.kernel import live, sockets
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.sockets import Sockets
from tillhouse.parts.identity.flows import COOKIE
from tillhouse.parts.identity.models import PersonRow
from tillhouse.parts.identity.service import sessions


@dataclass
class Hall:
    """The house behind a real server."""

    till: Till
    server: uvicorn.Server
    running: asyncio.Task[None]
    port: int

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def at(self, query: str = "") -> str:
        return f"ws://127.0.0.1:{self.port}/ws{query}"

    async def ticket(self, who: Caller) -> str:
        return str((await who.post("/auth/ticket")).json()["ticket"])

    async def open(self, who: Caller, stack: AsyncExitStack, query: str = "") -> ClientConnection:
        """A socket of somebody's, as a phone opens it; it is ready."""
        opened = await stack.enter_async_context(connect(self.at(f"?ticket={await self.ticket(who)}{query}")))
        assert (await hear(opened))["type"] == "ready"
        return opened

    async def refused(self, query: str = "", **headers: str) -> int:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(self.at(query), additional_headers=headers):
                raise AssertionError("it was opened")
        return refused.value.response.status_code


@asynccontextmanager
async def serving(till: Till) -> AsyncIterator[Hall]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(till.app, lifespan="off", **OPTIONS))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield Hall(till, server, running, listening.getsockname()[1])
    finally:
        server.should_exit = True
        await running


@pytest.fixture
async def hall(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hall]:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    async with (
        open_till(settings) as till,
        serving(till) as hall,
    ):
        yield hall


async def hear(opened: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(5):
        found: dict[str, Any] = json.loads(await opened.recv())
    return found


async def closed(opened: ClientConnection) -> int | None:
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionClosed):
            while True:
                await opened.recv()
    return opened.close_code


async def until(opened: ClientConnection, topic: str, status: str | None = None) -> list[dict[str, Any]]:
    """What is heard until a topic is told, in a state when one is named."""
    heard = [await hear(opened)]
    while (heard[-1].get("topic"), heard[-1].get("status") if status else None) != (topic, status):
        heard.append(await hear(opened))
    return heard


async def test_a_person_hears_of_their_own_payments_payouts_and_wallets_and_of_nobody_elses(hall: Hall) -> None:
    till, asha, ravi = hall.till, await someone(hall.till), await someone(hall.till, "Ravi Das")
    assert asha.id
    async with AsyncExitStack() as stack:
        hers, his = await hall.open(asha, stack), await hall.open(ravi, stack)
        only_payouts = await hall.open(asha, stack, "&topic=payouts")
        order = await till.deposit(asha.id, "150.00")
        heard = await until(hers, "payments", "captured")
        (wallet,) = (await asha.get("/wallets")).json()["items"]
        assert {"type": "change", "topic": "wallets", "id": wallet["id"]} in heard
        assert heard[-1] == {"type": "change", "topic": "payments", "id": str(order.id), "status": "captured"}

        wish = {"amount": "100.00", "currency": "INR", "destination": VPA}
        payout = (await asha.post("/wallets/withdraw", wish)).json()
        await till.pass_time(timedelta(minutes=4))
        states = [one["status"] for one in await until(only_payouts, "payouts", "processed")]
        assert states[0] == "reserved"
        assert states[-1] == "processed"
        told = await until(hers, "payouts", "processed")
        assert told[-1]["id"] == payout["id"]

        assert ravi.id
        await till.deposit(ravi.id, "10.00")
        first = await until(his, "payments", "captured")
        assert str(order.id) not in json.dumps(first), "what was told before was not for him"
        assert payout["id"] not in json.dumps(first)


async def test_a_ticket_opens_one_socket_and_a_cookie_only_from_our_own_pages(hall: Hall) -> None:
    asha = await someone(hall.till)
    ticket = await hall.ticket(asha)
    async with connect(hall.at(f"?ticket={ticket}")) as opened:
        assert (await hear(opened))["topics"] == ["notices", "payments", "payouts", "wallets"]
    assert await hall.refused(f"?ticket={ticket}") == 401
    assert await hall.refused("?ticket=forged") == 401
    assert await hall.refused(f"?ticket={await hall.ticket(asha)}&topic=ledger") == 403

    async with hall.till.house.database.transaction() as session:
        row = await session.get(PersonRow, asha.id)
        assert row
        cookie = f"{COOKIE}={(await sessions.begin(session, row, 'pages', 'test')).cookie}"
    async with connect(hall.at(), additional_headers={"Cookie": cookie, "Origin": hall.origin}) as opened:
        assert (await hear(opened))["type"] == "ready"
    assert await hall.refused(Cookie=cookie, Origin="https://evil.example") == 403
    assert await hall.refused(Cookie=cookie, Origin="null") == 403
    assert await hall.refused(Cookie=cookie) == 403
    assert await hall.refused(Origin=hall.origin) == 401


def test_an_address_with_a_ticket_is_in_no_log(
    caplog: pytest.LogCaptureFixture, settings: KernelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    kept = root.handlers[:]
    configure_logs(settings)
    root.handlers = kept
    server = logging.getLogger("uvicorn.error")
    monkeypatch.setattr(server, "handlers", [caplog.handler])  # whatever a server of another test made of its parents
    monkeypatch.setattr(server, "propagate", False)
    with caplog.at_level(logging.INFO, server.name):
        server.info('%s - "WebSocket %s" [accepted]', "127.0.0.1:1", "/ws?ticket=abc")
        server.info('%s - "WebSocket %s" 403', "127.0.0.1:1", "/ws?ticket=abc")
        server.info("Shutting down")
    assert [record.getMessage() for record in caplog.records] == ["Shutting down"]


WRONG: list[tuple[str | bytes, int]] = [
    ("x" * 5_000, 1009),
    ("x" * 70_000, 1009),
    ("not json", 1008),
    ('{"type":"dance"}', 1008),
    ('{"type":"subscribe","topics":["ledger"]}', 1008),
    (b"{}", 1008),
]


async def test_a_client_is_kept_within_bounds(hall: Hall) -> None:
    asha, ravi = await someone(hall.till), await someone(hall.till, "Ravi Das")
    places = hall.till.house.the(Sockets)
    for sent, code in WRONG:
        async with AsyncExitStack() as stack:
            opened = await hall.open(asha, stack)
            await opened.send(sent)
            assert await closed(opened) == code, sent[:40]
    async with AsyncExitStack() as stack:
        opened = await hall.open(asha, stack)
        await opened.send('{"type":"ping"}')
        assert await hear(opened) == {"type": "pong"}
        await opened.send('{"type":"subscribe","topics":["payouts"]}')
        assert (await hear(opened))["topics"] == ["payouts"]
        for _ in range(29):
            await opened.send('{"type":"ping"}')
        assert await closed(opened) == 1008, "too many messages"

    places.per_person = 2
    async with AsyncExitStack() as stack:
        await hall.open(asha, stack)
        await hall.open(asha, stack)
        assert await hall.refused(f"?ticket={await hall.ticket(asha)}") == 429
        await hall.open(ravi, stack)
        assert REGISTRY.get_sample_value("live_connections") == 3
        places.per_person, places.in_all = 10, 3
        assert await hall.refused(f"?ticket={await hall.ticket(ravi)}") == 429


async def test_a_socket_beats_while_its_session_stands_and_ends_with_it(hall: Hall) -> None:
    hall.till.house.the(Sockets).heartbeat = 0.05
    asha = await someone(hall.till)
    async with AsyncExitStack() as stack:
        opened = await hall.open(asha, stack)
        assert [await hear(opened), await hear(opened)] == [{"type": "heartbeat"}] * 2
        hall.till.house.the(Sockets).heartbeat = 60
        other = await hall.open(asha, stack)
        assert (await asha.post("/auth/logout")).status_code < 300
        assert (await closed(opened), await closed(other)) == (4401, 4401)
        assert await hall.refused("?ticket=" + "x") == 401


async def test_when_the_house_stops_every_socket_is_told_to_come_back(
    settings: KernelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    async with (
        open_till(settings) as till,
        AsyncExitStack() as up,
    ):
        hall = await up.enter_async_context(serving(till))
        asha = await someone(till)
        opened = [await hall.open(asha, up) for _ in range(3)]
        hall.server.should_exit = True
        assert [await closed(one) for one in opened] == [1012, 1012, 1012]
        async with asyncio.timeout(5):
            await hall.running
        assert till.house.the(Sockets).open.total() == 0


async def test_who_does_not_read_is_let_go_and_who_was_too_slow_is_told(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "LONGEST_QUEUE_SECONDS", 0.1)
    till, asha = hall.till, await someone(hall.till)
    assert asha.id
    for_ever, sent = asyncio.Event(), []

    async def receive() -> Message:
        if not sent:
            return {"type": "websocket.connect"}
        await for_ever.wait()
        raise AssertionError("never")

    async def send(message: Message) -> None:
        sent.append(message["type"])
        if message["type"] == "websocket.send":
            await for_ever.wait()  # the client's buffers are full

    scope = {
        "type": "websocket", "path": "/ws", "raw_path": b"/ws", "headers": [], "client": ("127.0.0.1", 1),
        "query_string": f"ticket={await hall.ticket(asha)}".encode(), "scheme": "ws", "server": ("testserver", 80),
        "root_path": "", "subprotocols": [], "state": {}, "extensions": {},
    }  # fmt: skip
    async with asyncio.timeout(5):
        await till.app(scope, receive, send)
    assert sent == ["websocket.accept", "websocket.send", "websocket.close"]
    assert till.house.the(Sockets).open.total() == 0

    async with live.watching(till.house, live.person_channel(asha.id)) as waiting:
        async with till.house.database.transaction() as session:
            for number in range(150):
                live.tell(session, asha.id, "payments", id=str(number))
        async with live.watching(till.house, "done") as done:
            async with till.house.database.transaction() as session:
                live.publish(session, "done", {})
            async with asyncio.timeout(5):
                await done.get()
        heard = [waiting.get_nowait() for _ in range(waiting.qsize())]
    assert heard[0] == {"missed": True}, "it does not pass for all there was"
    assert heard[-1] == {"topic": "payments", "id": "149"}
    assert len(heard) <= 100
