"""Codes: asked for, sent, sent again, answered.

A code is never stored: it follows from a server key and the challenge's id, and is computed again by the job that sends
it and by whoever checks it. One purpose each, five tries, ten minutes, once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.errors import FieldError, InvalidInput, TooManyRequests
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import enqueue
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import (
    CODE_LIFE,
    CODE_PAUSE,
    CODE_SENDS,
    CODE_TRIES,
    OPEN_CHALLENGES,
    AddressKind,
    Identifier,
    Purpose,
    code_of,
    derive_key,
    plain_code,
    same,
)
from tillhouse.parts.identity.events import AnswerChallenge
from tillhouse.parts.identity.models import ChallengeRow
from tillhouse.parts.identity.ports import Code


@dataclass(frozen=True, slots=True)
class Otp:
    """What the asker is told of a code: the same for every address."""

    challenge_id: UUID
    channel: AddressKind
    expires_at: datetime


def wrong_code() -> InvalidInput:
    """The one refusal of every code, whatever was wrong with it."""
    message = N_("This code is wrong or no longer good. Check it, or ask for a new one.")
    return InvalidInput(message, errors=[FieldError("/code", "wrong_code", message)])


async def ask(
    session: Session,
    purpose: Purpose,
    identifier: Identifier,
    *,
    person_id: UUID | None,
    decoy: bool,
    locale: str,
    data: JsonObject | None = None,
    session_id: UUID | None = None,
) -> Otp:
    """Make a challenge and ask for its message. Raises `TooManyRequests` after several within ten minutes."""
    now = clock.now()
    recent = await store.challenges_since(session, identifier.value, [purpose], now - CODE_LIFE)
    if len(recent) >= OPEN_CHALLENGES:
        _refuse_for_now(recent[-1].created_at + CODE_LIFE)
    row = ChallengeRow(
        id=new_id(),
        purpose=purpose,
        kind=identifier.kind,
        value=identifier.value,
        person_id=person_id,
        session_id=session_id,
        decoy=decoy,
        locale=locale,
        data=data or {},
        tries=0,
        sends=1,
        sent_at=now,
        expires_at=now + CODE_LIFE,
        created_at=now,
    )
    session.add(row)
    await session.flush()
    await enqueue(session, AnswerChallenge(challenge_id=row.id))
    return otp_of(row)


async def ask_again(session: Session, row: ChallengeRow) -> Otp:
    """Send the same code once more while it is good, or a new challenge for the same purpose after that.

    Raises `TooManyRequests` within half a minute of the last message.
    """
    now = clock.now()
    if now < row.sent_at + CODE_PAUSE:
        _refuse_for_now(row.sent_at + CODE_PAUSE)
    if is_open(row) and row.sends < CODE_SENDS:
        row.sends += 1
        row.sent_at = now
        await session.flush()
        await enqueue(session, AnswerChallenge(challenge_id=row.id))
        return otp_of(row)
    return await ask(
        session,
        _purpose(row),
        Identifier(_kind(row), row.value),
        person_id=row.person_id,
        decoy=row.decoy,
        locale=row.locale,
        data=row.data,
        session_id=row.session_id,
    )


async def answer(session: Session, rows: Sequence[ChallengeRow], code: str) -> ChallengeRow | None:
    """The open challenge that `code` answers, used up; None for a wrong code, which costs each of them a try.

    The caller has locked the rows and must let the transaction commit either way.
    """
    house = house_of(session)
    given, found = plain_code(code), None
    for row in rows:
        if same(_text(house, row), given) and is_open(row) and not row.decoy:
            found = found or row
    for row in rows:
        row.tries += 1
    if found:
        found.used_at = clock.now()
    await session.flush()
    return found


async def code_to_send(session: ReadSession, challenge_id: UUID) -> Code | None:
    """The code of a challenge for the job that sends it; None once it must not be sent any more."""
    row = await store.challenge(session, challenge_id)
    if row is None or row.decoy or not is_open(row):
        return None
    return Code(_text(house_of(session), row), row.expires_at)


def is_open(row: ChallengeRow) -> bool:
    """Whether a code can still answer it."""
    return row.used_at is None and row.tries < CODE_TRIES and clock.now() < row.expires_at


def otp_of(row: ChallengeRow) -> Otp:
    """What the asker is told of it."""
    return Otp(row.id, _kind(row), row.expires_at)


def _text(house: House, row: ChallengeRow) -> str:
    return code_of(derive_key(house.settings.secret_key, "codes"), row.id, _purpose(row))


def _refuse_for_now(until: datetime) -> None:
    seconds = max(1, int((until - clock.now()).total_seconds()) + 1)
    raise TooManyRequests(
        N_("A code is on its way. You can ask for another one in {seconds} seconds."),
        retry_after=seconds,
        seconds=seconds,
    )


def _purpose(row: ChallengeRow) -> Purpose:
    purpose: Purpose = row.purpose  # type: ignore[assignment]  # a CHECK holds the column to these words
    return purpose


def _kind(row: ChallengeRow) -> AddressKind:
    kind: AddressKind = row.kind  # type: ignore[assignment]  # written from an Identifier
    return kind
