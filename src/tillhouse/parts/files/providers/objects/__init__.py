"""A folder, S3, Google Cloud Storage or Azure Blob Storage, all through obstore."""

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, from_url

from tillhouse.kernel.db import in_transaction
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.text import N_


@dataclass(frozen=True, slots=True)
class Objects:
    """The place that a URL names; a folder when it is empty."""

    store: "obstore.store.ObjectStore"

    @classmethod
    def at(cls, url: str, folder: Path) -> "Objects":
        """Open `url`, or `folder` (made when it is missing) when there is none."""
        if url:
            return cls(from_url(url))
        return cls(LocalStore(folder.resolve(), mkdir=True))

    async def reach(self) -> None:
        """See whether the place is there. Raises what obstore raises, and `OSError`, when it is not."""
        if isinstance(self.store, LocalStore):
            await asyncio.to_thread(_see_folder, self.store.prefix)
            return
        with suppress(NotFoundError, FileNotFoundError):
            await obstore.head_async(self.store, "health")

    async def put(self, key: str, content: bytes) -> None:
        _outside()
        try:
            await obstore.put_async(self.store, key, content)
        except (BaseError, OSError) as error:
            raise TransientError(_AWAY) from error

    async def get(self, key: str) -> bytes:
        _outside()
        try:
            found = await obstore.get_async(self.store, key)
            return bytes(await found.bytes_async())
        except (NotFoundError, FileNotFoundError):
            raise FileNotFoundError(key) from None
        except (BaseError, OSError) as error:
            raise TransientError(_AWAY) from error

    async def delete(self, key: str) -> None:
        _outside()
        try:
            await obstore.delete_async(self.store, key)
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            raise TransientError(_AWAY) from error


_AWAY = N_("The place where files are kept cannot be reached right now. Nothing was changed: try again.")


def _see_folder(folder: Path | None) -> None:
    if folder is None or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(f"{folder} is missing or not ours to write")


def _outside() -> None:
    if in_transaction():
        raise RuntimeError("bytes are moved while a transaction is open: commit the intent first")
