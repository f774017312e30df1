"""A folder, S3, Google Cloud Storage or Azure Blob Storage, all through obstore."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store, from_url

from tillhouse.kernel.db import in_transaction
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.text import N_

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import RetryConfig

_PIECE = 1 << 18  # bytes that are in memory at once while a file is read: fewer are lost when a request is cut
_PART = 8 << 20  # bytes of one part of a multipart upload: 10,000 of them are 80 GB
_PARALLEL = 2

# A store that is away is said within the time that somebody waits for a page. Options of the client are left to the
# vendor's own variables: given here, they would replace all of those.
_PATIENCE: "RetryConfig" = {"max_retries": 4, "retry_timeout": timedelta(seconds=20)}


@dataclass(frozen=True, slots=True)
class Objects:
    """The place that a URL names; a folder when it is empty. Refuses to move bytes inside a transaction."""

    # Not shown: obstore panics when it is to show an Azure store whose account came from the environment.
    store: "obstore.store.ObjectStore" = field(repr=False)

    @classmethod
    def at(cls, url: str, folder: Path) -> "Objects":
        """Open `url`, or `folder` (made when it is missing) when there is none."""
        if url:
            return cls(from_url(url, retry_config=_PATIENCE))
        return cls(LocalStore(folder.resolve(), mkdir=True))

    @property
    def signs(self) -> bool:
        """Whether a stranger can be given an address to read or write one object."""
        return isinstance(self.store, S3Store | GCSStore | AzureStore)

    async def reach(self) -> None:
        """See whether the place is there. Raises what obstore raises, and `OSError`, when it is not."""
        if isinstance(self.store, LocalStore):
            await asyncio.to_thread(_see_folder, self.store.prefix)
            return
        with suppress(NotFoundError, FileNotFoundError):
            await obstore.head_async(self.store, "health")

    async def put(self, key: str, content: bytes) -> None:
        with _outside():
            await obstore.put_async(self.store, key, content)

    async def put_stream(self, key: str, content: AsyncIterator[bytes]) -> None:
        """Write what comes, a few parts in memory at a time. An object that was begun and not finished is not there."""
        with _outside():
            await obstore.put_async(self.store, key, content, chunk_size=_PART, max_concurrency=_PARALLEL)

    async def get(self, key: str) -> bytes:
        """The bytes. Raises `FileNotFoundError`, `TransientError`."""
        return b"".join([piece async for piece in await self.stream(key)])

    async def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not with, `end`. Raises as `get` does, before the first of them.

        Goes on however long the reader takes; an object that is replaced meanwhile raises `TransientError`.
        """
        with _outside():
            return self._pieces(key, await self._part(key, start, end))

    async def _part(self, key: str, start: int, end: int | None, tag: str | None = None) -> "obstore.GetResult":
        options: GetOptions = {}
        if end is not None:
            options["range"] = (start, end)
        elif start:
            options["range"] = {"offset": start}
        if tag:
            options["if_match"] = tag
        return await obstore.get_async(self.store, key, options=options)

    async def _pieces(self, key: str, found: "obstore.GetResult") -> AsyncIterator[bytes]:
        """A request is cut after 30 s (`AWS_TIMEOUT`, `AZURE_TIMEOUT`, `GOOGLE_TIMEOUT`), however well it goes and
        whoever is slow, the store or the reader: the next one goes on from there. obstore does so by itself only while
        its patience with the first lasts.
        """
        tag, (at, end) = found.meta["e_tag"], found.range
        with _translated():
            while True:
                begun = at
                try:
                    async for piece in found.stream(min_chunk_size=_PIECE):
                        at += len(piece)
                        yield bytes(piece)
                    return
                except BaseError:
                    if at == begun:
                        raise
                if at == end:
                    return
                found = await self._part(key, at, end, tag)

    async def size(self, key: str) -> int:
        """How long an object is. Raises `FileNotFoundError`, `TransientError`."""
        with _outside():
            return int((await obstore.head_async(self.store, key))["size"])

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is removed already."""
        with suppress(FileNotFoundError), _outside():
            await obstore.delete_async(self.store, key)

    async def delete_all(self, prefix: str) -> None:
        """Remove every object under a folder."""
        with suppress(FileNotFoundError), _outside():
            async for batch in obstore.list(self.store, prefix):
                await obstore.delete_async(self.store, [meta["path"] for meta in batch])

    async def sign(self, method: Literal["GET", "PUT"], key: str, lifetime: timedelta) -> str:
        """An address under which a stranger may read or write this object. Raises `TransientError`, `LookupError`."""
        if not isinstance(self.store, S3Store | GCSStore | AzureStore):
            raise LookupError("a folder has no addresses")
        with _outside():
            return await obstore.sign_async(self.store, method, key, lifetime)

    def local_path(self, key: str) -> Path | None:
        """Where an object lies on this machine; None when it lies elsewhere."""
        if isinstance(self.store, LocalStore) and self.store.prefix is not None:
            return Path(self.store.prefix) / key
        return None

    def headers_of_put(self) -> dict[str, str]:
        """What a stranger has to send beside the bytes."""
        return {"x-ms-blob-type": "BlockBlob"} if isinstance(self.store, AzureStore) else {}


_AWAY = N_("The place where files are kept cannot be reached right now. Nothing was changed: try again.")


def _see_folder(folder: Path | None) -> None:
    if folder is None or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(f"{folder} is missing or not ours to write")


@contextmanager
def _outside() -> Iterator[None]:
    if in_transaction():
        raise RuntimeError("bytes are moved while a transaction is open: commit the intent first")
    with _translated():
        yield


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (NotFoundError, FileNotFoundError):
        raise FileNotFoundError from None
    except (BaseError, OSError) as error:
        raise TransientError(_AWAY) from error
