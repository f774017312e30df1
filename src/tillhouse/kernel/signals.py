"""NOTIFY and LISTEN on connections of their own: never in a business transaction, where NOTIFY serialises commits.

A signal is a hint that something has committed. It may be lost: whoever listens also looks from time to time.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import asyncpg

from tillhouse.kernel.dsn import plain_dsn
from tillhouse.kernel.house import House

_RECONNECT_SECONDS = 0.5
_QUEUED = 10_000  # signals that wait for a database that is away; more are dropped
_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)

Received = Callable[[str, str], None]


class Notifier:
    """Sends signals from one connection, equal ones that wait together once. Never raises, never blocks."""

    def __init__(self, url: str) -> None:
        self._dsn = plain_dsn(url)
        self._waiting: dict[tuple[str, str], None] = {}
        self._sender: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection | None = None

    def send(self, channel: str, payload: str = "") -> None:
        """Queue a signal; it leaves within milliseconds when the database is there. Call it on the event loop."""
        if len(self._waiting) < _QUEUED:
            self._waiting[channel, payload] = None
        if self._sender is None or self._sender.done():
            self._sender = asyncio.get_running_loop().create_task(self._send_all())

    async def close(self) -> None:
        """Send what waits (for a second at most) and let go of the connection."""
        if self._sender:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._sender), 1)
            self._sender.cancel()
        if self._connection:
            self._connection.terminate()

    async def _send_all(self) -> None:
        while self._waiting:
            batch, self._waiting = list(self._waiting), {}
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(self._dsn, timeout=5)
                await self._connection.executemany("SELECT pg_notify($1, $2)", batch, timeout=5)
            except _AWAY:
                if self._connection:
                    self._connection.terminate()
                return


def notifier_of(house: House) -> Notifier:
    """The notifier of this process, made when it is first needed and closed with the house."""
    for found in house.provided(Notifier):
        return found
    notifier = Notifier(house.settings.database_url)
    house.provide([notifier])
    house.on_close(notifier.close)
    return notifier


class Listener:
    """Listens on channels from one connection, and comes back after the database was away.

    `received(channel, payload)` runs on the event loop; after each reconnect it is called with an empty payload, since
    what was sent meanwhile is lost.
    """

    def __init__(self, url: str, received: Received) -> None:
        self._dsn = plain_dsn(url)
        self._received = received
        self._channels: set[str] = set()
        self._connection: asyncpg.Connection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def listen(self, channel: str) -> None:
        """Add a channel. Returns once the database listens; when it is away, once it is known to be."""
        self._channels.add(channel)
        async with self._lock:
            if self._keeper is None:
                await self._connect()
                self._keeper = asyncio.create_task(self._keep())
            elif self._connection and not self._connection.is_closed():
                with suppress(*_AWAY):
                    await self._connection.add_listener(channel, self._on_signal)

    async def close(self) -> None:
        if self._keeper:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        if self._connection:
            self._connection.terminate()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_RECONNECT_SECONDS)
            async with self._lock:
                if (self._connection is None or self._connection.is_closed()) and await self._connect():
                    for channel in self._channels:
                        self._received(channel, "")

    async def _connect(self) -> bool:
        try:
            connection = await asyncpg.connect(self._dsn, timeout=5)
            for channel in self._channels:
                await connection.add_listener(channel, self._on_signal)
        except _AWAY:
            return False
        self._connection = connection
        return True

    def _on_signal(self, _connection: object, _process: int, channel: str, payload: object) -> None:
        self._received(channel, str(payload))
