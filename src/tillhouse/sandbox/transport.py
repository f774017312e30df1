"""The sandbox without sockets: an httpx transport for tests."""

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from tillhouse.sandbox.gate import IN_PROCESS, Cut, Held


class SandboxTransport(httpx.AsyncBaseTransport):
    """Calls the sandbox in this process. Its `timeout_*` faults come out at once as `httpx.ReadTimeout` (before or
    after the effect, as the fault says) and `cut_stream` as `httpx.RemoteProtocolError`."""

    def __init__(self, sandbox: ASGIApp) -> None:
        self._transport = httpx.ASGITransport(app=_saying_in_process(sandbox))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._transport.handle_async_request(request)
        except Held:
            raise httpx.ReadTimeout("sandbox fault: no answer in time", request=request) from None
        except Cut:
            raise httpx.RemoteProtocolError("sandbox fault: answer cut off", request=request) from None


def _saying_in_process(sandbox: ASGIApp) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sandbox({**scope, "extensions": {IN_PROCESS: {}}}, receive, send)

    return app
