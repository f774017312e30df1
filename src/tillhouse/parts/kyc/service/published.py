"""What the outside hears of kyc: that something was decided, about whom by id, never what a paper says."""

from tillhouse.kernel.db import JsonObject, ReadSession
from tillhouse.kernel.publishing import AnyPublishedEvent, PublishedEvent
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import Event
from tillhouse.parts.kyc import store
from tillhouse.parts.kyc.events import KycApproved, KycExpired, KycRejected


def _case(event: type[Event], status: str, title: str) -> AnyPublishedEvent:
    """An event that names a case by `case_id`."""

    async def render(session: ReadSession, happened: KycApproved | KycRejected | KycExpired) -> JsonObject | None:
        case = await store.case(session, happened.case_id)
        if case is None:
            return None
        return {
            "object": "kyc",
            "id": str(case.id),
            "status": status,
            "level": case.level,
            "owner": {"kind": case.owner_kind, "id": str(case.owner_id)},
        }

    return PublishedEvent(event=event, type=f"kyc.{status}", title=title, render=render)


PUBLISHED = (
    _case(KycApproved, "approved", N_("Somebody's identity was approved")),
    _case(KycRejected, "rejected", N_("Somebody's papers were not accepted")),
    _case(KycExpired, "expired", N_("Somebody's approval is over")),
)
