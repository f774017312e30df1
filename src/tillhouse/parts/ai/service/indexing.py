"""What staff see and do of the index: where documents stand, and another try for one that could not be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.domain.documents import DocumentState
from tillhouse.parts.ai.domain.reading import Unreadable
from tillhouse.parts.ai.models import DocumentRow
from tillhouse.parts.ai.service.documents import begin_again
from tillhouse.parts.ai.store import documents as store
from tillhouse.parts.identity import api as identity

_S = DocumentState
_OF: Mapping[str, Sequence[DocumentState]] = {
    "failed": (_S.FAILED,),
    "waiting": (_S.RECEIVED, _S.PARSING, _S.INDEXING, _S.DELETING),
    "ready": (_S.READY,),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """How many documents of everyone stand where, and how long the longest waiting one has not moved."""

    waiting: int
    reading: int
    ready: int
    failed: int
    waiting_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """A document without anything of its owner's. `why` is what was said of one that could not be read, its page in
    it; `may_retry`: another try may end otherwise."""

    id: UUID
    media_type: str
    state: DocumentState
    pages_read: int
    pages_total: int
    passages: int
    why: Unreadable | None
    may_retry: bool
    changed_at: datetime


async def figures(session: ReadSession) -> Figures:
    """Counts over all documents."""
    counts = await store.counts(session)
    return Figures(
        waiting=counts.get(_S.RECEIVED, 0),
        reading=counts.get(_S.PARSING, 0) + counts.get(_S.INDEXING, 0),
        ready=counts.get(_S.READY, 0),
        failed=counts.get(_S.FAILED, 0),
        waiting_since=await store.oldest_change(session, (_S.RECEIVED, _S.PARSING, _S.INDEXING)),
    )


async def documents(
    session: ReadSession, which: Literal["failed", "waiting", "ready"], *, limit: int, before: UUID | None
) -> list[Indexed]:
    """Documents of everyone, newest first."""
    return [_shown(row) for row in await store.in_states(session, _OF[which], limit, before)]


async def retry(session: Session, actor: Principal, document_id: UUID) -> None:
    """Have a document that could not be read tried again. Raises `NotFound`, and `Conflict` unless it had failed."""
    row = await store.locked(session, document_id)
    if row is None or row.state == _S.DELETING:
        raise NotFound(N_("There is no such document."))
    if row.state != _S.FAILED:
        raise Conflict(N_("This document is no longer among those that could not be read."))
    await identity.audit(session, actor, "ai.retry_document", f"ai_document:{row.id}", {"failure": row.failure})
    await begin_again(session, row)


def _shown(row: DocumentRow) -> Indexed:
    why = Unreadable(row.failure, row.failure_page or 0, row.failure_most or 0) if row.failure else None
    return Indexed(
        id=row.id,
        media_type=row.media_type,
        state=DocumentState(row.state),
        pages_read=row.pages_read,
        pages_total=row.pages_total,
        passages=row.passages_total,
        why=why,
        may_retry=why is not None and why.reason != "gone",
        changed_at=row.changed_at,
    )
