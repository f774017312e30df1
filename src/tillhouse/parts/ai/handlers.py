"""What ai does when something happened elsewhere."""

from tillhouse.kernel.db import Session
from tillhouse.kernel.work import AnyHandler, Handler
from tillhouse.parts.ai.service.documents import forget_file
from tillhouse.parts.files.events import FileDeleted


async def _file_deleted(session: Session, event: FileDeleted) -> None:
    await forget_file(session, event.file_id)


HANDLERS: tuple[AnyHandler, ...] = (Handler(event=FileDeleted, name="forget_file", run=_file_deleted),)
