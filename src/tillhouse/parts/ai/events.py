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


@task("ai.start_images", lane="slow")
class StartImages(Task):
    """Send an order of pictures to its maker."""

    image_job_id: UUID


@task("ai.look_at_images", lane="slow")
class LookAtImages(Task):
    """Read from its maker where an order stands. `hint` is what the maker calls it, by its own word alone."""

    image_job_id: UUID
    hint: str = ""


@task("ai.cancel_images", lane="slow")
class CancelImages(Task):
    """Have a maker stop and forget an order."""

    image_job_id: UUID


@task("ai.follow_images", lane="quick")
class FollowImages(Task):
    """Have open orders looked at whose callback did not come, and end those past their deadline."""


@event("ai.images_ready")
class ImagesReady(Event):
    """An order is ready: a tune can be used, pictures are files of the owner."""

    image_job_id: UUID
    owner_id: UUID


@event("ai.images_failed")
class ImagesFailed(Event):
    """An order came to nothing, and nothing was charged; the order says why."""

    image_job_id: UUID
    owner_id: UUID
    reason: str
