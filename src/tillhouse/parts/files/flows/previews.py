"""A picture in small, for a page that shows many of them."""

import asyncio
from uuid import UUID

from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.files.domain import IMAGES
from tillhouse.parts.files.flows.reading import read_bytes
from tillhouse.parts.files.ports import Picture, Pictures
from tillhouse.parts.files.settings import FilesSettings


async def preview(house: House, owner_id: UUID, file_id: UUID, side: int) -> Picture:
    """The middle of a picture of this owner, as a square of `side` pixels. Must not be called in a transaction.

    Raises `NotFound` for what is no picture as well, `FileRefused`, `TransientError`.
    """
    found, content = await read_bytes(house, owner_id, file_id)
    if found.media_type not in IMAGES:
        raise NotFound(N_("This file is no picture."))
    most = house.settings_of(FilesSettings).most_megapixels * 1_000_000
    (small,) = await asyncio.to_thread(house.the(Pictures).load().squares, content, most, (side,))
    return small
