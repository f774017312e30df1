"""What ai asks to be done later."""

from uuid import UUID

from tillhouse.kernel.work import Event, Task, event, task


@task("ai.index_document", lane="slow")
class IndexDocument(Task):
    """Read a document's file and index what it says; a later revision has a job of its own."""

    document_id: UUID
    revision: int


@task("ai.remove_document", lane="quick")
class RemoveDocument(Task):
    """Remove everything that was kept of a document that its owner deleted."""

    document_id: UUID


@event("ai.document_ready")
class DocumentReady(Event):
    """A document can be searched."""

    document_id: UUID
    owner_id: UUID


@event("ai.document_failed")
class DocumentFailed(Event):
    """A document could not be read; the document says why and on which page."""

    document_id: UUID
    owner_id: UUID
    reason: str
    page: int


@task("ai.sweep_calls", lane="quick")
class SweepCalls(Task):
    """Give back what was reserved for calls whose process died."""


@task("ai.remove_old_calls", lane="slow")
class RemoveOldCalls(Task):
    """Remove records of calls that are older than they are kept."""
