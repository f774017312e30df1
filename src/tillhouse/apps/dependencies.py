"""What a process depends on: the kernel's own servers, what modules declare, and what their adapters talk to."""

import asyncio
from collections.abc import Iterator, Sequence

from kombu import Connection

from tillhouse.kernel.health import database_at
from tillhouse.kernel.house import House
from tillhouse.kernel.limits import limiter_of
from tillhouse.kernel.manifest import HealthCheck
from tillhouse.kernel.settings import KernelSettings

_SECONDS = 2  # for the broker to answer; its client blocks a thread


def checks_of(house: House, revision: str) -> Sequence[HealthCheck]:
    """Every check of this process, the database's first."""
    declared = [check for module in house.modules for check in module.health()]
    return (database_at(revision), *_servers(house.settings), *declared, *house.provided(HealthCheck))


def _servers(settings: KernelSettings) -> Iterator[HealthCheck]:
    if settings.redis_url:
        yield HealthCheck("redis", _ask_redis)
    if settings.broker_url:  # the embedded broker is the database
        yield HealthCheck("broker", _ask_broker)


async def _ask_redis(house: House) -> None:
    if not await limiter_of(house).reachable():
        raise ConnectionError("redis does not answer")


async def _ask_broker(house: House) -> None:
    await asyncio.to_thread(_connect, house.settings.broker_url)


def _connect(url: str) -> None:
    limits = {"socket_connect_timeout": _SECONDS, "socket_timeout": _SECONDS} if url.startswith("redis") else {}
    with Connection(url, connect_timeout=_SECONDS, transport_options=limits) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=_SECONDS)
