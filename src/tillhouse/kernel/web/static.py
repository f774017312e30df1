"""Static files under names that change with their content, so that a browser may keep them for ever.

`/static/<module>/app.<hash>.css` is immutable; the same file without the hash is served with `no-cache` and an ETag, so
that relative `url()` inside a stylesheet works. What can be served is what was found at the start: an address is a key
of a table, never a path, and nothing outside it can be reached.
"""

import asyncio
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import brotli  # type: ignore[import-untyped]  # ships no types
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".md": "text/plain; charset=utf-8",
    ".map": "application/json",
}
_COMPRESSED = ("text/", "application/json", "application/manifest+json", "image/svg+xml")
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(slots=True)
class _File:
    content: bytes
    digest: str
    media_type: str
    compressed: bytes | None = None


class Static:
    """An ASGI app for `mount`, and the addresses of what it serves."""

    def __init__(self, folders: Mapping[str, Path], *, prefix: str = "/static") -> None:
        """Read the files of every module: `folders` maps its name to its `static/`, which holds `<module>/…`."""
        self.prefix = prefix.rstrip("/")
        self._files: dict[str, _File] = {}
        self._aliases: dict[str, str] = {}
        for module, folder in folders.items():
            for path in sorted((folder / module).rglob("*")):
                if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                    self._add(f"{module}/{path.relative_to(folder / module).as_posix()}", path)

    def url(self, name: str) -> str:
        """The address of `"kernel/app.css"`. Raises `LookupError` when there is no such file."""
        if name not in self._files:
            raise LookupError(f"there is no static file {name}")
        return f"{self.prefix}/{_fingerprinted(name, self._files[name].digest)}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise HTTPException(404)
        request = Request(scope)
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        asked = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        response = await self._answer(asked, request.headers)
        await response(scope, receive, send)

    def _add(self, name: str, path: Path) -> None:
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:12]
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self._files[name] = _File(content, digest, kind)
        self._aliases[_fingerprinted(name, digest)] = name

    async def _answer(self, asked: str, headers: Headers) -> Response:
        name = self._aliases.get(asked, asked)
        file = self._files.get(name)
        if file is None:
            raise HTTPException(404)
        sent = {
            "Cache-Control": _FOREVER if asked in self._aliases else "no-cache",
            "ETag": f'"{file.digest}"',
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if f'"{file.digest}"' in headers.get("if-none-match", ""):
            return Response(status_code=304, headers=sent)
        content = file.content
        if "br" in _encodings(headers) and file.media_type.startswith(_COMPRESSED):
            if file.compressed is None:
                file.compressed = await asyncio.to_thread(_compress, content)
            content = file.compressed
            sent["Content-Encoding"] = "br"
        return Response(content, headers=sent, media_type=file.media_type)


def _compress(content: bytes) -> bytes:
    return bytes(brotli.compress(content))


def _encodings(headers: Headers) -> set[str]:
    return {part.split(";")[0].strip() for part in headers.get("accept-encoding", "").split(",")}


def _fingerprinted(name: str, digest: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}.{digest}{path.suffix}"))
