"""The one way out of the house: every call to a provider goes through `Outbound`.

It refuses to send while a transaction is open, limits time, counts and times each call, and tells apart the two
failures that matter for money: the call certainly had no effect (`NotSent`), or nobody knows (`OutcomeUnknown`).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext

import httpx
from prometheus_client import Histogram

from tillhouse.kernel.db import in_transaction
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.text import N_

_SECONDS = Histogram("outbound_seconds", "Time of calls to providers", ["provider", "outcome"])

# These are raised before the first byte of the request has left.
_BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class NotSent(TransientError):
    """The provider was not reached: the call had no effect."""

    code = "provider_unreachable"


class OutcomeUnknown(TransientError):
    """The call was sent and no whole answer came back: it may or may not have had its effect."""

    code = "provider_outcome_unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's whole answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@cache  # reading the certificates of the world takes longer than building all the rest
def _trusted() -> SSLContext:
    return httpx.create_ssl_context(trust_env=False)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a multipart form, under the form's field `field`."""

    field: str
    name: str
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer whose body has not been read yet."""

    status: int
    headers: Mapping[str, str]
    _response: httpx.Response

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises, in the `async with` of `stream`, `OutcomeUnknown` when it breaks off."""
        return self._response.aiter_bytes()

    async def beginning(self, most: int = 65_536) -> bytes:
        """The first bytes of the body: for a refusal, which needs no stream."""
        kept = b""
        async for chunk in self._response.aiter_bytes():
            kept += chunk
            if len(kept) >= most:
                break
        return kept[:most]


class Outbound:
    """A shared pool of connections to providers. `mounts` puts another transport under an address (tests)."""

    def __init__(
        self, *, timeout: float = 10.0, mounts: Mapping[str, httpx.AsyncBaseTransport | None] | None = None
    ) -> None:
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout, connect=5.0),
            mounts=mounts,
            follow_redirects=False,
            trust_env=False,
            verify=_trusted(),
        )

    async def send(
        self,
        provider: str,
        method: str,
        url: str,
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        upload: Upload | None = None,
        uploads: Sequence[Upload] = (),
    ) -> Answer:
        """Send one request and return the answer, whatever its status. Never repeats it.

        With `upload`, or several `uploads`, the form is multipart.
        Raises `NotSent`, `OutcomeUnknown`, and `RuntimeError` when a transaction is open.
        """
        self._refuse_in_transaction(provider)
        request = self._client.build_request(
            method, url, json=json, data=form, params=params, headers=headers,
            files=[
                (one.field, (one.name, one.content, one.media_type))
                for one in ((upload,) if upload else uploads)
            ] or None,
            timeout=timeout if timeout is not None else httpx.USE_CLIENT_DEFAULT,
        )  # fmt: skip
        with _observed(provider) as observed:
            response = await self._client.send(request, auth=auth)
            observed.outcome = f"{response.status_code // 100}xx"
            return Answer(response.status_code, response.headers, response.content)

    @asynccontextmanager
    async def stream(
        self,
        provider: str,
        url: str,
        *,
        json: object,
        headers: Mapping[str, str] | None = None,
        silence: float,
    ) -> AsyncIterator[Streamed]:
        """POST and hand over the answer before its body: `async with outbound.stream(…) as answer`.

        `silence` is how many seconds nothing may come, before the answer or within it. Leaving the block, by an
        exception or a cancellation too, hangs up. Raises as `send` does, and `OutcomeUnknown` inside the block when the
        body breaks off.
        """
        self._refuse_in_transaction(provider)
        limits = httpx.Timeout(silence, connect=5.0)
        request = self._client.build_request("POST", url, json=json, headers=headers, timeout=limits)
        with _observed(provider) as observed:
            response = await self._client.send(request, stream=True)
            try:
                observed.outcome = f"{response.status_code // 100}xx"
                yield Streamed(response.status_code, response.headers, response)
            finally:
                await response.aclose()

    async def deliver(
        self,
        provider: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        address: str | None,
        seconds: float,
        keep: int,
    ) -> Answer:
        """POST to a URL that somebody else chose, which may answer with anything, slowly, or without end.

        `address`: the IP address to connect to, whatever the host's name resolves to by now; the certificate is still
        the host's. `seconds` are for the whole call. Only the first `keep` bytes of the answer are read.
        Raises as `send` does.
        """
        self._refuse_in_transaction(provider)
        # A connection that stays open to an address would serve other hosts there, too.
        sent = {**headers, "Connection": "close", "Accept-Encoding": "identity"}
        request = self._client.build_request("POST", url, content=body, headers=sent, timeout=seconds)
        if address:
            request.extensions["sni_hostname"] = request.url.host
            request.url = request.url.copy_with(host=f"[{address}]" if ":" in address else address)
        with _observed(provider) as observed:
            async with asyncio.timeout(seconds):
                response = await self._client.send(request, stream=True)
                try:
                    kept = await _beginning(response, keep)
                finally:
                    await response.aclose()
            observed.outcome = f"{response.status_code // 100}xx"
            return Answer(response.status_code, response.headers, kept)

    async def reach(self, provider: str, url: str) -> None:
        """See whether anyone answers at `url`; says nothing of us, and counts as no call.

        Raises `NotSent` when nobody does, `OutcomeUnknown` when only a failing server does (5xx).
        """
        if in_transaction():
            raise RuntimeError(f"a call to {provider} while a transaction is open: commit the intent first")
        try:
            async with self._client.stream("GET", url) as response:
                status = response.status_code
        except httpx.HTTPError as error:
            raise NotSent(N_("{provider} cannot be reached right now."), provider=provider) from error
        if status >= 500:
            raise OutcomeUnknown(N_("{provider} did not answer in time."), provider=provider)

    async def close(self) -> None:
        await self._client.aclose()

    def _refuse_in_transaction(self, provider: str) -> None:
        if in_transaction():
            raise RuntimeError(f"a call to {provider} while a transaction is open: commit the intent first")


@dataclass
class _Observed:
    outcome: str = "error"


@contextmanager
def _observed(provider: str) -> Iterator[_Observed]:
    """Times a call, and says in our words how it failed."""
    started, observed = time.monotonic(), _Observed()
    try:
        yield observed
    except _BEFORE_SENDING as error:
        observed.outcome = "not_sent"
        raise NotSent(N_("{provider} cannot be reached right now."), provider=provider) from error
    except (httpx.HTTPError, TimeoutError) as error:
        observed.outcome = "unknown"
        raise OutcomeUnknown(N_("{provider} did not answer in time."), provider=provider) from error
    finally:
        _SECONDS.labels(provider, observed.outcome).observe(time.monotonic() - started)


async def _beginning(response: httpx.Response, most: int) -> bytes:
    kept = b""
    async for chunk in response.aiter_raw():  # as it came: unpacking could make much of little
        kept += chunk
        if len(kept) >= most:
            break
    return kept[:most]
