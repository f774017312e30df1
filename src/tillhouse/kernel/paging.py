"""Lists are pages: `{items, next_cursor}`. A cursor is opaque, signed by nothing, and only ever narrows a query."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.money import MAX_MINOR
from tillhouse.kernel.text import N_

T = TypeVar("T")

MAX_PAGE = 100


class Page(BaseModel, Generic[T]):
    """One page of a list; `next_cursor` is None on the last."""

    items: list[T]
    next_cursor: str | None


def encode_cursor(*keys: str | int) -> str:
    """The place after a row, from the values its order is by."""
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, kinds: Sequence[type[str] | type[int]]) -> tuple[str | int, ...]:
    """The values behind a cursor. Raises `InvalidInput` for one that we did not give out."""
    try:
        keys = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(keys, list) or [type(key) for key in keys] != list(kinds):
            raise ValueError
        if any(isinstance(key, int) and abs(key) > MAX_MINOR for key in keys):
            raise ValueError  # what PostgreSQL's bigint cannot hold was never given out
    except (ValueError, RecursionError):
        raise _bad_cursor() from None
    return tuple(keys)


def decode_id(cursor: str) -> UUID:
    """The id behind a cursor of a list in the order of ids. Raises `InvalidInput` for one that we did not give out."""
    (found,) = decode_cursor(cursor, (str,))
    try:
        return UUID(str(found))
    except ValueError:
        raise _bad_cursor() from None


def cut(rows: Sequence[T], limit: int, key: Callable[[T], tuple[str | int, ...]]) -> tuple[Sequence[T], str | None]:
    """Cut a list that was fetched with `limit + 1` rows down to a page and the cursor of the next one."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], encode_cursor(*key(rows[limit - 1]))


def _bad_cursor() -> InvalidInput:
    message = N_("This cursor is not one of ours: start again without it.")
    return InvalidInput(message, errors=[FieldError("/cursor", "bad_cursor", message)])
