"""Files as the API shows them."""

from tillhouse.parts.files import schemas
from tillhouse.parts.files.service import StoredFile


def out(found: StoredFile) -> schemas.FileOut:
    """A file."""
    return schemas.FileOut(
        id=found.id,
        name=found.name,
        media_type=found.media_type,
        size=found.size,
        sha256=found.sha256.hex(),
        created_at=found.created_at,
        state=found.state,
        reason=found.reason,
        kind=found.kind,
        received=found.received,
        facts=found.facts,
        expires_at=found.expires_at,
    )


def rendition_out(found: StoredFile) -> schemas.RenditionOut:
    """Another form of a recording."""
    return schemas.RenditionOut(
        id=found.id,
        rendition=found.rendition or "",
        state=found.state,
        media_type=found.media_type,
        size=found.size,
        facts=found.facts,
    )
