"""The audit log: what staff and machines did, written in the transaction that did it."""

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.context import request_id
from tillhouse.kernel.db import JsonObject, Session
from tillhouse.kernel.ids import new_id
from tillhouse.parts.identity.models import AuditRow


async def audit(session: Session, actor: Principal, action: str, subject: str, details: JsonObject) -> None:
    """Record that `actor` did `action` (`module.verb`) to `subject` (`kind:id`). No personal data in `details`."""
    session.add(
        AuditRow(
            id=new_id(),
            actor_kind=actor.kind,
            actor_id=actor.id,
            action=action,
            subject=subject,
            details=details,
            request_id=request_id(),
            at=clock.now(),
        )
    )
    await session.flush()
