"""Keys of machines: made by an admin, held to named permissions, revocable."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.errors import FieldError, InvalidInput, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import new_api_key, token_hash
from tillhouse.parts.identity.models import ApiKeyRow
from tillhouse.parts.identity.service.audit import audit

_HINT = 10  # characters of a key that the list shows
TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: the only time that `key` is seen."""

    row: ApiKeyRow
    key: str


async def create(
    session: Session, actor: Principal, name: str, scopes: Sequence[str], expires_at: datetime | None = None
) -> NewKey:
    """Make a key for a machine. Raises `InvalidInput` for a scope that no machine may have."""
    unknown = sorted(set(scopes) - offered_scopes(house_of(session)))
    if unknown or not scopes:
        message = N_("Choose scopes that machines may have.")
        raise InvalidInput(message, errors=[FieldError("/scopes", "bad_scope", message)])
    key = new_api_key()
    row = ApiKeyRow(
        id=new_id(),
        name=name,
        hint=key[:_HINT],
        key_hash=token_hash(key),
        scopes=sorted(set(scopes)),
        created_by=actor.id if actor.kind == "person" else None,
        created_at=clock.now(),
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    await audit(session, actor, "identity.create_api_key", f"api_key:{row.id}", {"scopes": list(row.scopes)})
    return NewKey(row, key)


async def revoke(session: Session, actor: Principal, key_id: UUID) -> None:
    """Make a key worthless from now on; revoking twice is one. Raises `NotFound`."""
    row = await store.lock_api_key(session, key_id)
    if row is None:
        raise NotFound(N_("There is no such key."))
    if row.revoked_at is None:
        row.revoked_at = clock.now()
        await session.flush()
        await audit(session, actor, "identity.revoke_api_key", f"api_key:{row.id}", {})


def offered_scopes(house: House) -> frozenset[str]:
    """The permissions that a machine may be given."""
    return frozenset(p.name for module in house.modules for p in module.permissions if "machine" in p.roles)


def principal_of_key(house: House, row: ApiKeyRow) -> Principal | None:
    """The machine behind a key, None for one that is revoked or over."""
    if row.revoked_at or (row.expires_at and row.expires_at <= clock.now()):
        return None
    return Principal(
        "machine",
        id=row.id,
        roles=frozenset({"machine"}),
        permissions=offered_scopes(house) & set(row.scopes),
        made_by=row.created_by,
        display_name=row.name,
    )
