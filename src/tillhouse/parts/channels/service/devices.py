"""A person's phones and browsers, and their notices, inside one transaction."""

from typing import Literal
from uuid import UUID

from tillhouse.kernel import clock, live
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.destinations import destination_of
from tillhouse.parts.channels.models import PushTargetRow
from tillhouse.parts.channels.ports import WebhookNetwork
from tillhouse.parts.channels.service import messages
from tillhouse.parts.channels.store import reach


async def register(
    session: Session, person_id: UUID, kind: Literal["fcm", "web"], token: str, *, p256dh: str = "", auth: str = ""
) -> UUID:
    """Register a phone or browser. It is its last person's: whoever signed in before gets nothing there any more.

    Raises `InvalidInput` for a browser's endpoint that is not on the internet: pushes never go into our own network.
    """
    if kind == "web":
        destination_of(token, house_of(session).the(WebhookNetwork).rules)
    now = clock.now()
    row = PushTargetRow(
        id=new_id(),
        person_id=person_id,
        kind=kind,
        token=token,
        p256dh=p256dh or None,
        auth=auth or None,
        created_at=now,
        seen_at=now,
    )
    return await reach.keep_push_target(session, row)


async def forget(session: Session, person_id: UUID, device_id: UUID) -> None:
    """Forget a person's phone or browser. Raises `NotFound`."""
    if not await reach.delete_push_target(session, device_id, person_id):
        raise NotFound(N_("There is no such phone or browser of yours."))


async def read_notices(session: Session, person_id: UUID, notice_id: UUID | None = None) -> int:
    """Mark a person's notices as read, all or one; how many are still unread. Raises `NotFound`."""
    if notice_id and not await reach.has_notice(session, person_id, notice_id):
        raise NotFound(N_("There is no such notice of yours."))
    for one in await reach.read_notices(session, person_id, clock.now(), notice_id):
        if await store.lock_message(session, one):
            await messages.record(session, one, "read")
    live.tell(session, person_id, "notices")
    return await reach.count_unread(session, person_id)
