"""SQL of collections, documents and their pages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel.db import JsonObject, ReadSession, Session
from tillhouse.parts.ai.models import CollectionRow, DocumentRow, PageRow, PassageRow, VectorRow


async def collection(session: Session, new_id: UUID, owner_id: UUID, name: str, at: datetime) -> CollectionRow:
    """The owner's collection of this name, made when there is none; locked until the transaction ends."""
    made = insert(CollectionRow).values(id=new_id, owner_id=owner_id, name=name, created_at=at)
    await session.execute(made.on_conflict_do_nothing())
    wanted = select(CollectionRow).where(CollectionRow.owner_id == owner_id, CollectionRow.name == name)
    return (await session.execute(wanted.with_for_update())).scalar_one()


async def same_content(session: ReadSession, collection_id: UUID, sha256: bytes) -> DocumentRow | None:
    """The collection's document of just these bytes."""
    wanted = select(DocumentRow).where(
        DocumentRow.collection_id == collection_id, DocumentRow.sha256 == sha256, DocumentRow.state != "deleting"
    )
    return (await session.execute(wanted)).scalar_one_or_none()


async def document_of(session: ReadSession, owner_id: UUID, document_id: UUID) -> tuple[DocumentRow, str] | None:
    """A document of this owner with its collection's name; one that is being deleted is not there any more."""
    wanted = (
        select(DocumentRow, CollectionRow.name)
        .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
        .where(DocumentRow.id == document_id, DocumentRow.owner_id == owner_id, DocumentRow.state != "deleting")
        .execution_options(populate_existing=True)
    )
    found = (await session.execute(wanted)).one_or_none()
    return (found[0], found[1]) if found else None


async def of_file(session: ReadSession, file_id: UUID) -> Sequence[UUID]:
    """Documents of everyone that have this file, or whose words are still those of this file."""
    wanted = select(DocumentRow.id).where(
        or_(DocumentRow.file_id == file_id, DocumentRow.indexed_file_id == file_id), DocumentRow.state != "deleting"
    )
    return (await session.execute(wanted.order_by(DocumentRow.id))).scalars().all()


async def documents_of(
    session: ReadSession, owner_id: UUID, name: str | None, limit: int, before: UUID | None
) -> Sequence[tuple[DocumentRow, str]]:
    """Documents of this owner, newest first; of one collection where its name is given."""
    wanted = (
        select(DocumentRow, CollectionRow.name)
        .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
        .where(DocumentRow.owner_id == owner_id, DocumentRow.state != "deleting")
    )
    if name is not None:
        wanted = wanted.where(CollectionRow.name == name)
    if before:
        wanted = wanted.where(DocumentRow.id < before)
    rows = await session.execute(wanted.order_by(DocumentRow.id.desc()).limit(limit))
    return [(row[0], row[1]) for row in rows]


async def counts(session: ReadSession) -> dict[str, int]:
    """How many documents of everyone are in each state."""
    rows = await session.execute(select(DocumentRow.state, func.count()).group_by(DocumentRow.state))
    return {row[0]: row[1] for row in rows}


async def oldest_change(session: ReadSession, states: Sequence[str]) -> datetime | None:
    """When the one that has not moved for longest did."""
    wanted = select(func.min(DocumentRow.changed_at)).where(DocumentRow.state.in_(states))
    return (await session.execute(wanted)).scalar_one()


async def in_states(
    session: ReadSession, states: Sequence[str], limit: int, before: UUID | None
) -> Sequence[DocumentRow]:
    """Documents of everyone in these states, newest first."""
    wanted = select(DocumentRow).where(DocumentRow.state.in_(states))
    if before:
        wanted = wanted.where(DocumentRow.id < before)
    return (await session.execute(wanted.order_by(DocumentRow.id.desc()).limit(limit))).scalars().all()


async def locked(session: Session, document_id: UUID) -> DocumentRow | None:
    """A document, locked, for its own jobs."""
    wanted = select(DocumentRow).where(DocumentRow.id == document_id).with_for_update()
    return (await session.execute(wanted, execution_options={"populate_existing": True})).scalar_one_or_none()


async def change(session: Session, document_id: UUID, **values: Any) -> None:
    """Write columns of a document that is locked."""
    await session.execute(update(DocumentRow).where(DocumentRow.id == document_id).values(**values))


async def number_of(session: ReadSession, collection_id: UUID) -> int:
    """What the terms of a collection begin with."""
    wanted = select(CollectionRow.number).where(CollectionRow.id == collection_id)
    return (await session.execute(wanted)).scalar_one()


async def save_pages(session: Session, rows: Sequence[dict[str, object]]) -> None:
    """Write pages over those of the same numbers."""
    statement = insert(PageRow).values(list(rows))
    new = statement.excluded
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["document_id", "number"],
            set_={
                "revision": new.revision,
                "fingerprint": new.fingerprint,
                "source": new.source,
                "content": new.content,
            },
        )
    )


async def drop_old_pages(session: Session, document_id: UUID, revision: int) -> None:
    """Remove pages that an earlier file had and this one has not."""
    old = delete(PageRow).where(PageRow.document_id == document_id, PageRow.revision != revision)
    await session.execute(old)


async def pages(session: ReadSession, document_id: UUID) -> Sequence[JsonObject]:
    """What was read, page by page."""
    wanted = select(PageRow.content).where(PageRow.document_id == document_id).order_by(PageRow.number)
    return (await session.execute(wanted)).scalars().all()


async def pictures(session: ReadSession, document_id: UUID) -> dict[str, JsonObject]:
    """Pages that were read by OCR, by the fingerprint of their picture."""
    wanted = select(PageRow.fingerprint, PageRow.content).where(
        PageRow.document_id == document_id, PageRow.source == "ocr"
    )
    return {row[0]: row[1] for row in await session.execute(wanted)}


async def page_of(session: ReadSession, owner_id: UUID, document_id: UUID, number: int) -> JsonObject | None:
    """A page of a document of this owner."""
    wanted = (
        select(PageRow.content)
        .join(DocumentRow, DocumentRow.id == PageRow.document_id)
        .where(DocumentRow.owner_id == owner_id, DocumentRow.state != "deleting")
        .where(PageRow.document_id == document_id, PageRow.number == number)
    )
    return (await session.execute(wanted)).scalar_one_or_none()


async def remove(session: Session, document_id: UUID) -> None:
    """Remove a document and, by the keys that refer to it, its pages, passages and vectors."""
    await session.execute(delete(DocumentRow).where(DocumentRow.id == document_id))


async def remove_words(session: Session, document_id: UUID) -> None:
    """Remove a document's pages, passages and vectors, and keep the document."""
    await session.execute(delete(PageRow).where(PageRow.document_id == document_id))
    await session.execute(delete(PassageRow).where(PassageRow.document_id == document_id))


async def left_of(session: ReadSession, document_id: UUID, passages: Sequence[UUID]) -> int:
    """How many rows anywhere still belong to a document that was removed; `passages` are those that it had."""
    total = 0
    for table, column in ((DocumentRow, DocumentRow.id), (PageRow, PageRow.document_id)):
        total += (
            await session.execute(select(func.count()).select_from(table).where(column == document_id))
        ).scalar_one()
    of_document = select(func.count()).select_from(PassageRow).where(PassageRow.document_id == document_id)
    total += (await session.execute(of_document)).scalar_one()
    of_passages = select(func.count()).select_from(VectorRow).where(VectorRow.passage_id.in_(passages))
    return total + (await session.execute(of_passages)).scalar_one()


async def passages_of(session: ReadSession, document_id: UUID) -> Sequence[UUID]:
    """Ids of a document's passages."""
    wanted = select(PassageRow.id).where(PassageRow.document_id == document_id)
    return (await session.execute(wanted)).scalars().all()


async def erase_owner(session: Session, owner_id: UUID) -> None:
    """Remove every collection of an owner with all that is in it."""
    await session.execute(delete(CollectionRow).where(CollectionRow.owner_id == owner_id))
