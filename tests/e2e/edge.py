"""A tiny edge in front of several web processes: sends each path to the process that serves its module.

What an operator's nginx does, read from the manifests: the longest prefix that a module owns wins, the rest goes to the
first process.
"""

import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import httpx
import uvicorn
from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tillhouse.catalogue import CATALOGUE
from tillhouse.kernel.manifest import Module

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"}


def prefixes(module: Module) -> Iterator[str]:
    """The paths that belong to a module: its API roots, its pages, its static files."""
    yield from (f"/api/v1{root}" for root in module.api_roots)
    yield f"/static/{module.name}/"
    if module.pages:
        yield from (route.path.partition("{")[0] for route in iter_route_contexts(module.pages().routes) if route.path)


class Edge:
    """`backends`: the address of each web process, and the modules it serves; the first one takes what is nobody's."""

    def __init__(self, backends: Mapping[str, Sequence[str]]) -> None:
        by_name = {module.name: module for module in CATALOGUE}
        owners = [(p, url) for url, names in backends.items() for name in names for p in prefixes(by_name[name])]
        self._owners = sorted(owners, key=lambda owner: len(owner[0]), reverse=True)
        self._rest = next(iter(backends))

    def backend_of(self, path: str) -> str:
        return next((url for prefix, url in self._owners if _is_under(path, prefix)), self._rest)

    @contextmanager
    def serving(self, port: int) -> Iterator[None]:
        app = Starlette(routes=[Route("/{path:path}", self._forward, methods=_METHODS)], lifespan=self._lifespan)
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, name="edge")
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncHTTPTransport() as backends:  # a client would keep one caller's cookies for the next
            app.state.backends = backends
            yield

    async def _forward(self, request: Request) -> Response:
        """The request as it came, with the caller's address; the answer as it comes, streams as streams."""
        backends: httpx.AsyncHTTPTransport = request.app.state.backends
        headers = [(name, value) for name, value in request.headers.items() if name not in _OF_ONE_CONNECTION]
        headers.append(("x-forwarded-for", request.client.host if request.client else ""))
        address = f"{self.backend_of(request.url.path)}{request.url.path}"
        address += f"?{request.url.query}" if request.url.query else ""
        asked = httpx.Request(request.method, address, headers=headers, content=await request.body())
        try:
            answer = await backends.handle_async_request(asked)
        except httpx.TransportError as error:
            return PlainTextResponse(f"{address}: {error!r}", 502)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        response = StreamingResponse(aiter(answer.stream), answer.status_code, background=BackgroundTask(answer.aclose))
        came = [(name.lower(), value) for name, value in answer.headers.raw]
        response.raw_headers = [(name, value) for name, value in came if name.decode() not in _OF_ONE_CONNECTION]
        return response


def _is_under(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix) :][:1] in ("", "/"))
