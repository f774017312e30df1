"""Messages to whoever a case is about, and what the outside hears of it.

A house without a part that sends messages sends none.
"""

from uuid import UUID

from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.publishing import publishing
from tillhouse.kernel.work import AnyHandler, Handler
from tillhouse.parts.identity import api as identity
from tillhouse.parts.kyc import store
from tillhouse.parts.kyc.events import KycApproved, KycExpired, KycExpiring, KycRejected
from tillhouse.parts.kyc.models import CaseRow
from tillhouse.parts.kyc.service.published import PUBLISHED


async def _approved(session: Session, event: KycApproved) -> None:
    await _tell(session, event.case_id, "approved")


async def _rejected(session: Session, event: KycRejected) -> None:
    await _tell(session, event.case_id, "rejected")


async def _expiring(session: Session, event: KycExpiring) -> None:
    await _tell(session, event.case_id, "expiring")


async def _expired(session: Session, event: KycExpired) -> None:
    await _tell(session, event.case_id, "expired")


async def _tell(session: Session, case_id: UUID, what: str) -> None:
    """No word of why, or of what a paper says: the page says it to whoever signs in."""
    case = await store.case(session, case_id)
    if case is None or not house_of(session).provided(identity.MessageSender):
        return
    page = house_of(session).settings.address("/kyc")
    for person_id in await _people(session, case):
        await identity.notify(session, person_id, "kyc.state", {"what": what, "level": case.level, "url": page})


async def _people(session: Session, case: CaseRow) -> list[UUID]:
    if case.owner_kind == "person":
        return [case.owner_id]
    found = await identity.members(session, case.owner_id)
    return [one.person_id for one in found if one.role in identity.MANAGERS]


HANDLERS: tuple[AnyHandler, ...] = (
    Handler(event=KycApproved, name="tell_approved", run=_approved),
    Handler(event=KycRejected, name="tell_rejected", run=_rejected),
    Handler(event=KycExpiring, name="tell_expiring", run=_expiring),
    Handler(event=KycExpired, name="tell_expired", run=_expired),
    *publishing(PUBLISHED),
)
