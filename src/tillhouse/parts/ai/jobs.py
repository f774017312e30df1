"""Background jobs of ai."""

from datetime import timedelta
from uuid import UUID

from tillhouse.kernel.work import AnyJob, Job
from tillhouse.parts.ai.events import IndexDocument, RemoveDocument
from tillhouse.parts.ai.flows.indexing import give_up, index_document, remove_document

_NO_DOCUMENT = UUID("00000000-0000-7000-8000-000000000000")

JOBS: tuple[AnyJob, ...] = (
    Job(
        task=IndexDocument,
        flow=index_document,
        on_dead=give_up,
        attempts=5,
        time_limit=timedelta(hours=2),
        example=lambda: IndexDocument(document_id=_NO_DOCUMENT, revision=1),
    ),
    Job(task=RemoveDocument, flow=remove_document, example=lambda: RemoveDocument(document_id=_NO_DOCUMENT)),
)
