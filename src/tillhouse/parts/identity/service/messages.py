"""What a challenge's job does, and what is forgotten with time."""

from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import CODE_LIFE, DEFAULT_ZONE, AddressKind
from tillhouse.parts.identity.events import AnswerChallenge, Forget
from tillhouse.parts.identity.ports import Code, Contact, MessageSender
from tillhouse.parts.identity.service import challenges, inviting

_TELL_OWNER = ("register", "link")
_KEEP_CHALLENGES = 12 * CODE_LIFE  # a registration whose code has expired can be asked for again so long
_KEEP_SESSIONS = timedelta(days=30)  # a session that is over stays so long, to explain what happened


async def answer_challenge(session: Session, task: AnswerChallenge) -> None:
    """Queue the code of a challenge; for a decoy, tell the owner of the address that there is an account, or nothing.

    Raises `LookupError` in a process that was composed without a part that sends messages.
    """
    row = await store.challenge(session, task.challenge_id)
    if row is None or not challenges.is_open(row):
        return
    kind: AddressKind = "phone" if row.kind == "phone" else "email"
    to = Contact(row.person_id, kind, row.value, row.locale, DEFAULT_ZONE)
    sender = house_of(session).the(MessageSender)
    if not row.decoy:
        data = {"challenge_id": str(row.id), "purpose": row.purpose}
        await sender.send(session, to, "identity.code", {**data})
    elif row.purpose in _TELL_OWNER:
        await sender.send(session, to, "identity.already_registered", {})


async def code_to_send(session: ReadSession, challenge_id: UUID) -> Code | None:
    """The code of a challenge or of an invitation, for the job that sends it; None once it must not be sent."""
    found = await challenges.code_to_send(session, challenge_id)
    return found or await inviting.invitation_code(session, challenge_id)


async def forget(session: Session, task: Forget) -> None:
    """Delete challenges, counters, sessions and invitations that nothing can need any more."""
    await inviting.forget(session)
    now = clock.now()
    await store.forget(session, challenges_before=now - _KEEP_CHALLENGES, sessions_before=now - _KEEP_SESSIONS)
    await store.forget_tickets(session, now)
