"""Photos looked at before anything is taught from them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.parts.ai.domain.photos import Facts, Verdict, judge
from tillhouse.parts.ai.ports.photos import FaceFinder, PhotoReader
from tillhouse.parts.files import api as files


async def check_photos(house: House, owner_id: UUID, file_ids: Sequence[UUID]) -> list[Verdict]:
    """What is wrong with which photo of this owner, in the order given. Must not be called in a transaction.

    A file that is gone counts as one that cannot be read.
    """
    return judge([await _facts(house, owner_id, one) for one in file_ids])


async def _facts(house: House, owner_id: UUID, file_id: UUID) -> Facts | None:
    try:
        _, content = await files.read_bytes(house, owner_id, file_id)
    except NotFound:
        return None
    return await asyncio.to_thread(_measured, house, content)


def _measured(house: House, content: bytes) -> Facts | None:
    facts = house.the(PhotoReader).read(content)
    for finder in house.provided(FaceFinder):
        return replace(facts, faces=finder.find(content)) if facts else None
    return facts
