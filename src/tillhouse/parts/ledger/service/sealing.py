"""The sealed chain: making the next block, keeping its head outside, and checking both.

What is recorded below the watermark cannot get company any more, so it is hashed, with the hash of the block before.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.manifest import Progress
from tillhouse.parts.ledger.domain import Head
from tillhouse.parts.ledger.ports import Anchors
from tillhouse.parts.ledger.store import sealing
from tillhouse.parts.ledger.store.sealing import Checked

# What is newer waits for the next block: it would make one of its own. Nothing gets under a block in any case.
MARGIN = timedelta(seconds=10)
MOST_IN_A_BLOCK = 10_000
_RECENT = 32
_KEPT_WITHIN = timedelta(minutes=15)


async def seal(session: Session, *, margin: timedelta = MARGIN) -> Head | None:
    """Seal the next block; None when there is nothing to seal. One block for one transaction: it holds a lock."""
    return await sealing.seal(session, margin, MOST_IN_A_BLOCK)


async def head(session: ReadSession) -> Head | None:
    """The last sealed block; None before the first."""
    return await sealing.head(session)


async def block_of(session: ReadSession, transaction_id: int) -> Head | None:
    """The block that a transaction is sealed in; None while it is not."""
    return await sealing.block_of(session, transaction_id)


async def broken_recent(session: ReadSession) -> Sequence[str]:
    """What is wrong with the last 32 blocks."""
    return await _broken(session, await sealing.numbers(session, most_recent=_RECENT), _silent)


async def broken(session: ReadSession, progress: Progress) -> Sequence[str]:
    """What is wrong with any block. Reads the whole ledger, a block at a time."""
    return await _broken(session, await sealing.numbers(session), progress, first=1)


async def not_as_anchored_recent(session: ReadSession) -> Sequence[str]:
    """Where the chain contradicts the last head that was kept outside."""
    return await _contradictions(session, 1)


async def not_as_anchored(session: ReadSession, _progress: Progress) -> Sequence[str]:
    """Where the chain contradicts any head that was kept outside."""
    return await _contradictions(session, None)


async def _broken(
    session: ReadSession, numbers: Sequence[int], progress: Progress, *, first: int | None = None
) -> list[str]:
    found: list[str] = []
    for done, number in enumerate(numbers, start=1):
        checked = await sealing.check(session, number)
        if checked is not None:
            found += _faults(checked)
        progress(done, len(numbers))
    first = min(numbers, default=1) if first is None else first
    missing = sorted(set(range(first, max(numbers, default=0) + 1)) - set(numbers))
    return found + [f"block {number} is missing" for number in missing]


def _faults(block: Checked) -> Iterable[str]:
    if block.chained is False:
        yield f"block {block.number} does not carry the hash of block {block.before_number}"
    if not block.counted:
        yield (
            f"block {block.number} sealed {block.transactions} transactions and {block.entries} entries, "
            f"there are {block.transactions_now} and {block.entries_now} (or it begins elsewhere)"
        )
    elif not block.kept:
        yield f"block {block.number}: its rows, or what it says of itself, do not make its hash"


async def _contradictions(session: ReadSession, last: int | None) -> list[str]:
    own = await sealing.head(session)
    found: list[str] = []
    for anchor in house_of(session).the(Anchors).places:
        kept = await anchor.kept()
        if kept is None:
            continue
        if own is not None and own.sealed_at < clock.now() - _KEPT_WITHIN and own not in kept[-1:]:
            found.append(f"{anchor.place} does not keep the head, block {own.number} of {own.sealed_at:%Y-%m-%d %H:%M}")
        wanted = list(kept if last is None else kept[-last:])
        found += _compare(wanted, await sealing.heads(session, [one.number for one in wanted]), anchor.place)
    return found


def _compare(kept: Sequence[Head], heads: Sequence[Head], place: str) -> Iterable[str]:
    own = {one.number: one for one in heads}
    for one in kept:
        if one.number not in own:
            yield f"block {one.number} is kept in {place} and not in the ledger: the chain was cut"
        elif own[one.number] != one:
            yield f"block {one.number} is another than {place} keeps: the chain was replaced"


def _silent(_done: int, _total: int) -> None:
    """The job has nobody to show its progress to."""
