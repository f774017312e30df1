"""Sealing spans transactions: each block has its own, and its head is kept outside after that has been committed."""

from tillhouse.kernel.house import House
from tillhouse.kernel.work import JobRun
from tillhouse.parts.ledger.domain import Head
from tillhouse.parts.ledger.events import Seal
from tillhouse.parts.ledger.ports import Anchors
from tillhouse.parts.ledger.service import sealing


async def seal(run: JobRun, _task: Seal) -> None:
    """Seal all there is to seal, then keep the head. Safe to repeat: a crash between the two is made good next time."""
    while True:
        async with run.transaction() as session:
            if await sealing.seal(session) is None:
                break
    await keep_head(run.house)


async def keep_head(house: House) -> Head | None:
    """Keep the head of the chain with every anchor. Must not be called in a transaction. Raises `TransientError`."""
    async with house.database.reading() as session:
        head = await sealing.head(session)
    if head is not None:
        for anchor in house.the(Anchors).places:
            await anchor.keep(head)
    return head
