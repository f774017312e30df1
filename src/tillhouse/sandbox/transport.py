"""The sandbox without sockets: an httpx transport for tests."""

from collections.abc import AsyncIterator

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from tillhouse.sandbox.gate import IN_PROCESS, Cut, Held


class _Half(httpx.AsyncByteStream):
    """The beginning of an answer, then the error that a client meets."""

    def __init__(self, cut: Cut, request: httpx.Request) -> None:
        self._cut = cut
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._cut.beginning
        if self._cut.stalls:
            raise httpx.ReadTimeout("sandbox fault: the answer stands still", request=self._request)
        raise httpx.RemoteProtocolError("sandbox fault: answer cut off", request=self._request)


class SandboxTransport(httpx.AsyncBaseTransport):
    """Calls the sandbox in this process. Its `timeout_*` faults come out at once as `httpx.ReadTimeout` (before or
    after the effect, as the fault says), `cut_stream` as `httpx.RemoteProtocolError` and `stall_stream` as
    `httpx.ReadTimeout` in the middle of the answer."""

    def __init__(self, sandbox: ASGIApp) -> None:
        self._transport = httpx.ASGITransport(app=_saying_in_process(sandbox))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._transport.handle_async_request(request)
        except Held:
            raise httpx.ReadTimeout("sandbox fault: no answer in time", request=request) from None
        except Cut as cut:
            return httpx.Response(cut.status, headers=cut.headers, stream=_Half(cut, request), request=request)


def _saying_in_process(sandbox: ASGIApp) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sandbox({**scope, "extensions": {IN_PROCESS: {}}}, receive, send)

    return app
