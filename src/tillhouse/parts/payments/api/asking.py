"""What the door is asked with."""

from uuid import UUID

from tillhouse.kernel.paging import decode_id


def owner_of(person_id: UUID | None) -> tuple[str, UUID] | None:
    """Whose things alone are found; None: everybody's."""
    return None if person_id is None else ("person", person_id)


def before_of(cursor: str | None) -> UUID | None:
    """The row after which a page begins. Raises `InvalidInput` for a cursor not ours."""
    return None if cursor is None else decode_id(cursor)
