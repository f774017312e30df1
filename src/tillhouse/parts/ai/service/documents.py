"""Documents inside one transaction: taking one in, telling where it stands, asking for it to go."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.errors import Conflict, FieldError, InvalidInput, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import enqueue
from tillhouse.parts.ai.domain.documents import DocumentState, may_move
from tillhouse.parts.ai.domain.passages import Document
from tillhouse.parts.ai.domain.reading import Page, from_wire
from tillhouse.parts.ai.events import IndexDocument, RemoveDocument
from tillhouse.parts.ai.models import DocumentRow
from tillhouse.parts.ai.store import documents as store
from tillhouse.parts.files import api as files

DEADLINE = timedelta(hours=2)  # a document of 2,000 scanned pages takes one; then somebody should be told
_LONGEST_NAME = 80
_NO_SUCH = N_("There is no such document.")


async def add_document(
    session: Session, owner_id: UUID, collection: str, file_id: UUID, *, languages: Sequence[str] = ()
) -> Document:
    """Take a stored file of this owner into a collection of theirs; it is read and indexed by a job.

    The collection is made when there is none of that name. The same bytes again change nothing: the document that has
    them is returned, tried again where it had failed. `languages` (`th`, `vi` …) help to read pictures. Raises
    `NotFound` for a file that is not this owner's.
    """
    _check_name(collection)
    file = await files.find(session, owner_id, file_id)
    now = clock.now()
    held = await store.collection(session, new_id(), owner_id, collection, now)
    there = await store.same_content(session, held.id, file.sha256)
    if there is not None:
        if there.state == DocumentState.FAILED:
            await _begin(session, there, file_id=file_id)
        return told(there, collection)
    row = DocumentRow(
        id=new_id(), collection_id=held.id, owner_id=owner_id, file_id=file_id, indexed_file_id=None, name=file.name,
        media_type=file.media_type, sha256=file.sha256, languages=list(languages), state=DocumentState.RECEIVED.value,
        revision=1, job_id=None, title="", pages_read=0, pages_total=0, passages_indexed=0, passages_total=0,
        hidden_pages=[], unsure_pages=[], failure=None, failure_page=None, failure_most=None, created_at=now,
        changed_at=now,
    )  # fmt: skip
    session.add(row)
    await session.flush()
    row.job_id = await _enqueue(session, row)
    await session.flush()
    return told(row, collection)


async def replace_document(session: Session, owner_id: UUID, document_id: UUID, file_id: UUID) -> Document:
    """Put a newer file in the place of a document's. What did not change is neither read by OCR nor embedded again.

    Until the new file is ready the old one is found. Raises `NotFound`, and `Conflict` while it is being read or when
    the collection has the new file already.
    """
    row, collection = await _locked(session, owner_id, document_id)
    file = await files.find(session, owner_id, file_id)
    if file.sha256 == row.sha256 and row.state != DocumentState.FAILED:
        return told(row, collection)
    if not may_move(DocumentState(row.state), DocumentState.RECEIVED):
        raise Conflict(N_("This document is being read. Wait until it is ready, then replace it."))
    other = await store.same_content(session, row.collection_id, file.sha256)
    if other is not None and other.id != row.id:
        raise Conflict(N_("These documents have that file already, as {name}."), name=other.name)
    row.name, row.media_type, row.sha256 = file.name, file.media_type, file.sha256
    await _begin(session, row, file_id=file_id)
    return told(row, collection)


async def document(session: ReadSession, owner_id: UUID, document_id: UUID) -> Document:
    """A document of this owner. Raises `NotFound`."""
    found = await store.document_of(session, owner_id, document_id)
    if found is None:
        raise NotFound(_NO_SUCH)
    return told(*found)


async def documents(
    session: ReadSession, owner_id: UUID, collection: str | None = None, *, limit: int = 50, before: UUID | None = None
) -> list[Document]:
    """Documents of this owner, newest first."""
    return [told(*found) for found in await store.documents_of(session, owner_id, collection, limit, before)]


async def page(session: ReadSession, owner_id: UUID, document_id: UUID, number: int) -> Page:
    """A page of a document of this owner as it was read, to show a citation in. Raises `NotFound`."""
    found = await store.page_of(session, owner_id, document_id, number)
    if found is None:
        raise NotFound(_NO_SUCH)
    return from_wire(dict(found))


async def delete_document(session: Session, owner_id: UUID, document_id: UUID) -> None:
    """Have a document gone: no search finds it from here on, and a job removes what is left of it everywhere.

    The file stays; it is its owner's. Raises `NotFound`.
    """
    row, _ = await _locked(session, owner_id, document_id)
    await _have_gone(session, row)


async def forget_file(session: Session, file_id: UUID) -> None:
    """Have gone whatever was read in a file that is deleted, whoever ended it.

    A document that has a newer file since stays, without the words of the old one; if the newer one is just being read,
    that begins anew.
    """
    for document_id in await store.of_file(session, file_id):
        row = await store.locked(session, document_id)
        if row is None or row.state == DocumentState.DELETING:
            continue
        if row.file_id == file_id:
            await _have_gone(session, row)
        elif row.indexed_file_id == file_id:
            await store.remove_words(session, row.id)
            row.indexed_file_id = None
            if row.state != DocumentState.FAILED:
                await _begin(session, row, file_id=row.file_id)


async def begin_again(session: Session, row: DocumentRow) -> None:
    """Have a document that is locked and had failed read once more, from the file that it has."""
    await _begin(session, row, file_id=row.file_id)


async def forget(session: Session, person_id: UUID, _addresses: Sequence[str]) -> None:
    """Remove every document, passage and vector of a person who is being erased."""
    await store.erase_owner(session, person_id)


def told(row: DocumentRow, collection: str) -> Document:
    """The row as others see it."""
    return Document(
        id=row.id,
        collection=collection,
        file_id=row.file_id,
        name=row.name,
        title=row.title,
        media_type=row.media_type,
        state=DocumentState(row.state),
        pages_read=row.pages_read,
        pages_total=row.pages_total,
        passages=row.passages_total,
        hidden_pages=tuple(row.hidden_pages),
        unsure_pages=tuple(row.unsure_pages),
        failure_reason=row.failure or "",
        failure_page=row.failure_page or 0,
        failure_most=row.failure_most or 0,
        job_id=row.job_id,
        created_at=row.created_at,
        changed_at=row.changed_at,
    )


async def _locked(session: Session, owner_id: UUID, document_id: UUID) -> tuple[DocumentRow, str]:
    found = await store.document_of(session, owner_id, document_id)
    row = await store.locked(session, document_id) if found else None
    if found is None or row is None or row.state == DocumentState.DELETING:
        raise NotFound(_NO_SUCH)
    return row, found[1]


async def _have_gone(session: Session, row: DocumentRow) -> None:
    row.state, row.changed_at = DocumentState.DELETING.value, clock.now()
    row.failure = row.failure_page = row.failure_most = None
    await session.flush()
    await enqueue(session, RemoveDocument(document_id=row.id))


async def _begin(session: Session, row: DocumentRow, *, file_id: UUID) -> None:
    row.state, row.file_id, row.revision = DocumentState.RECEIVED.value, file_id, row.revision + 1
    row.failure = row.failure_page = row.failure_most = None
    row.pages_read = row.pages_total = row.passages_indexed = 0
    row.changed_at = clock.now()
    await session.flush()
    row.job_id = await _enqueue(session, row)
    await session.flush()


async def _enqueue(session: Session, row: DocumentRow) -> UUID | None:
    task = IndexDocument(document_id=row.id, revision=row.revision)
    return await enqueue(session, task, deadline=clock.now() + DEADLINE)


def _check_name(collection: str) -> None:
    if not collection.strip() or len(collection) > _LONGEST_NAME:
        message = N_("A collection has a name of 1 to 80 characters.")
        raise InvalidInput(message, errors=[FieldError("/collection", "length", message)])
