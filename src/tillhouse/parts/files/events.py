"""What files tells others, and what it asks to be done later."""

from uuid import UUID

from tillhouse.kernel.work import Event, Task, event, task


@event("files.file_ready")
class FileReady(Event):
    """A file can be read: it is whole, scanned and of a type that its kind takes."""

    file_id: UUID
    owner_id: UUID
    kind: str


@event("files.file_refused")
class FileRefusedEvent(Event):
    """A file was not taken; the file itself says why."""

    file_id: UUID
    owner_id: UUID
    kind: str


@event("files.file_deleted")
class FileDeleted(Event):
    """A file is gone, whoever ended it: its owner, its lifetime, an erasure. What was made of it is to go as well."""

    file_id: UUID
    owner_id: UUID
    kind: str


@event("files.rendition_ready")
class RenditionReady(Event):
    """A rendition that was asked for can be read (`file_id` is the original's)."""

    file_id: UUID
    owner_id: UUID
    rendition: str


@task("files.sweep", lane="slow")
class Sweep(Task):
    """Remove what was deleted, what its time has come for, and bytes that no file needs."""


@task("files.take_in", lane="slow")
class TakeIn(Task):
    """Make a file of an upload that is whole."""

    file_id: UUID


@task("files.probe", lane="slow")
class Probe(Task):
    """Find out how long a recording is and what is in it."""

    file_id: UUID


@task("files.render", lane="slow")
class Render(Task):
    """Make a rendition; `file_id` is the rendition's own."""

    file_id: UUID
