"""Rate limits: `Depends(rate_limit("10/minute", by="ip"))` on a route.

Counted in a sliding window: in Redis where `REDIS_URL` is set (shared by all web processes), else in the memory of each
process. While Redis is away every process counts in its own memory: a limit becomes looser by the number of processes
but never ends, since routes that move money must not go unlimited, and a house does not close because a cache is down.

Answers carry `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers), refusals `Retry-After`.
"""

import asyncio
import inspect
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal

from fastapi import Request, Response
from limits import RateLimitItem, WindowStats, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from tillhouse.kernel.access import caller
from tillhouse.kernel.errors import TooManyRequests
from tillhouse.kernel.house import House
from tillhouse.kernel.http import house_of_request
from tillhouse.kernel.text import N_

_REDIS_SECONDS = 0.25  # a limit must not cost more than the request it guards
_REDIS_REST_SECONDS = 5.0  # how long memory counts before Redis is asked again

KeyOf = Callable[[Request], Awaitable[str] | str]
By = Literal["ip", "caller"] | KeyOf


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A limit as a dependency. `name` groups routes that share one count; without it each route has its own."""

    rule: str
    by: By
    name: str = ""

    async def __call__(self, request: Request, response: Response) -> None:
        item = self.item
        endpoint = request.scope["endpoint"]
        bucket = self.name or f"{endpoint.__module__}.{endpoint.__qualname__}"
        key = await self._key(request)
        allowed, window = await limiter_of(house_of_request(request)).hit(item, bucket, key)
        wait = max(1, math.ceil(window.reset_time - time.time()))
        said = {
            "RateLimit-Policy": f'"{self._policy}";q={item.amount};w={item.get_expiry()}',
            "RateLimit": f'"{self._policy}";r={window.remaining};t={wait}',
        }
        if not allowed:
            message = N_("Too many attempts. Try again in {seconds} seconds.")
            raise TooManyRequests(message, retry_after=wait, headers=said, seconds=wait)
        for name, value in said.items():
            response.headers.append(name, value)

    @property
    def item(self) -> RateLimitItem:
        """The rule as the `limits` library knows it."""
        return _parsed(self.rule)

    @property
    def _policy(self) -> str:
        return self.by if isinstance(self.by, str) else "key"

    async def _key(self, request: Request) -> str:
        if callable(self.by):
            found = self.by(request)
            return await found if inspect.isawaitable(found) else found
        if self.by == "caller":
            principal = await caller(request)
            if principal.id:
                return f"{principal.kind}:{principal.id}"
        return f"ip:{_network_of(client_address(request))}"


_parsed = lru_cache(1_000)(parse)  # asked at every request


def rate_limit(rule: str, *, by: By = "caller", name: str = "") -> RateLimit:
    """A dependency that lets `rule` ("10/minute", "100 per hour") requests through and raises `TooManyRequests` after.

    `by` says whose requests are counted together: those of one address, of one caller (nobody's by address), or of what
    a function of the request returns. Raises `ValueError` for a rule that cannot be read, when the module is loaded.
    """
    parse(rule)
    return RateLimit(rule, by, name)


def limit_of(dependency: object) -> RateLimit | None:
    """The limit a dependency stands for, or None when it is another kind of dependency. For conformance checks."""
    return dependency if isinstance(dependency, RateLimit) else None


def client_address(request: Request) -> str:
    """The address of whoever sent the request.

    `X-Forwarded-For` is believed only as far as `TRUSTED_PROXIES` reach: read from its end, the first address that is
    not one of ours is the client's; what stands before it, the client could have written itself.
    """
    peer = request.client.host if request.client else "0.0.0.0"  # noqa: S104  no socket is bound to it
    trusted = house_of_request(request).settings.trusted_proxies
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    hops = [_without_port(hop.strip()) for hop in forwarded.split(",") if hop.strip()]
    while hops and _is_trusted(peer, trusted):
        peer = hops.pop()
    return peer


class Limiter:
    """The counts of one process, in Redis with memory to fall back on, or in memory alone."""

    def __init__(self, redis_url: str = "") -> None:
        self._memory = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._storage = _redis(redis_url) if redis_url else None
        self._redis = SlidingWindowCounterRateLimiter(self._storage) if self._storage else None
        self._redis_rests_until = 0.0

    async def hit(self, item: RateLimitItem, bucket: str, key: str) -> tuple[bool, WindowStats]:
        """Count one request: whether it is within the limit, and what is left of the window."""
        if self._redis and time.monotonic() >= self._redis_rests_until:
            try:
                async with asyncio.timeout(2 * _REDIS_SECONDS):
                    return await _hit(self._redis, item, bucket, key)
            except (StorageError, TimeoutError):
                self._redis_rests_until = time.monotonic() + _REDIS_REST_SECONDS
        return await _hit(self._memory, item, bucket, key)

    async def reachable(self) -> bool:
        """Whether Redis answers, where there is one."""
        return self._storage is None or bool(await self._storage.check())

    async def close(self) -> None:
        if self._storage:
            assert isinstance(self._storage.bridge, RedispyBridge)
            await self._storage.bridge.storage.aclose()


async def _hit(
    strategy: SlidingWindowCounterRateLimiter, item: RateLimitItem, bucket: str, key: str
) -> tuple[bool, WindowStats]:
    allowed = await strategy.hit(item, bucket, key)
    return allowed, await strategy.get_window_stats(item, bucket, key)


def _redis(url: str) -> RedisStorage:
    return RedisStorage(
        f"async+{url}",
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix="till:limits",
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
    )


def limiter_of(house: House) -> Limiter:
    """The counts of this process, made when they are first needed and closed with the house."""
    found = house.provided(Limiter)
    if not found:
        limiter = Limiter(house.settings.redis_url)
        house.provide([limiter])
        house.on_close(limiter.close)
        found = [limiter]
    return found[0]


def _network_of(address: str) -> str:
    """One household of IPv6 has a /64 of addresses to choose from: they count as one."""
    try:
        parsed = _parsed_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)


def _without_port(hop: str) -> str:
    """Some proxies write where a connection came from with its port, another one each time."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    address, _, port = hop.rpartition(":")
    return address if port.isdigit() and ":" not in address and address else hop


def _parsed_address(address: str) -> IPv4Address | IPv6Address:
    """An address of IPv4 as itself, also where a socket of both kinds tells of it as one of IPv6 (`::ffff:1.2.3.4`)."""
    parsed = ip_address(address)
    return (isinstance(parsed, IPv6Address) and parsed.ipv4_mapped) or parsed


def _is_trusted(address: str, trusted: tuple[str, ...]) -> bool:
    try:
        parsed = _parsed_address(address)
    except ValueError:
        return False
    return any(parsed in ip_network(proxy, strict=False) for proxy in trusted)
