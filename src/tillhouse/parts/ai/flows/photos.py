"""Photos looked at before anything is taught from them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from tillhouse.kernel.errors import FieldError, InvalidInput, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.domain.photos import SENTENCES, Facts, Fault, Verdict, judge
from tillhouse.parts.ai.ports.photos import FaceFinder, PhotoReader
from tillhouse.parts.files import api as files


@dataclass(frozen=True, slots=True)
class PhotoDesk:
    """One per process, provided by the manifest: photos are looked at one after another, whoever's they are.

    A check takes a processor's time; several at once would hold every thread that others wait for.
    """

    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))


async def check_photos(house: House, owner_id: UUID, file_ids: Sequence[UUID]) -> list[Verdict]:
    """What is wrong with which photo of this owner, in the order given. Must not be called in a transaction.

    A file that is gone counts as one that cannot be read.
    """
    return judge([await _facts(house, owner_id, one) for one in file_ids])


async def require_good(house: House, owner_id: UUID, file_ids: Sequence[UUID], *, forgive: bool = False) -> None:
    """Raises `InvalidInput` that names each photo with something wrong and says what to do; else as `check_photos`.

    `forgive` lets everything pass but what cannot be read.
    """
    verdicts = await check_photos(house, owner_id, file_ids)
    wrong = [(one.number, fault) for one in verdicts for fault in one.faults if fault == "unreadable" or not forgive]
    if wrong:
        message = N_("Some photos are not good enough: each is named with what to do.")
        raise InvalidInput(message, errors=[_error(number, fault) for number, fault in wrong])


def _error(number: int, fault: Fault) -> FieldError:
    return FieldError(f"/photos/{number - 1}", fault, SENTENCES[fault])


async def _facts(house: House, owner_id: UUID, file_id: UUID) -> Facts | None:
    try:
        _, content = await files.read_bytes(house, owner_id, file_id)
    except NotFound:
        return None
    async with house.the(PhotoDesk).turn:
        return await asyncio.to_thread(_measured, house, content)


def _measured(house: House, content: bytes) -> Facts | None:
    facts = house.the(PhotoReader).read(content)
    for finder in house.provided(FaceFinder):
        return replace(facts, faces=finder.find(content)) if facts else None
    return facts
