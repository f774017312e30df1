"""What takes time: drawing papers anew, and checks that may ask over the network. No transaction is open meanwhile."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.errors import DomainError, FieldError, InvalidInput, PayloadTooLarge, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.kyc.domain import LEVELS, Finding, PaperKind
from tillhouse.parts.kyc.ports import BankAccountCheck, NumberCheck, PaperReader, Subject
from tillhouse.parts.kyc.service import cases, keeping
from tillhouse.parts.kyc.settings import KycSettings


async def add_paper(
    house: House, me: Principal, organisation_id: UUID | None, level: str, *, kind: PaperKind, content: bytes
) -> cases.Paper:
    """Take a paper: drawn anew, sealed, stored. Raises `InvalidInput`, `PayloadTooLarge`, `WrongState`, `NotFound`."""
    wanted = cases.level_named(level)
    _check_size(house, content)
    async with house.database.reading() as session:
        owner = await cases.owner_of(session, me, organisation_id)
        await cases.standing(session, owner, wanted)
    pages = await asyncio.to_thread(_sealed_pages, house, content)
    async with house.database.transaction() as session:
        owner = await cases.owner_of(session, me, organisation_id)
        return await cases.add_paper(session, me, owner, wanted, kind=kind, pages=pages)


async def check_case(house: House, case_id: UUID) -> None:
    """Make the checks of a case and put it before people. Safe to run twice. Raises `TransientError`."""
    async with house.database.transaction() as session:
        found = await keeping.subject_of(session, case_id)
    if found is None:
        return
    subject, level = found
    findings = [await _ask(house, one, subject) for one in _checks(house, subject, level)]
    async with house.database.transaction() as session:
        await keeping.record(session, case_id, subject, findings)


async def checks_gave_up(session: Session, case_id: UUID) -> None:
    """Whoever is to be asked stayed away for too long: people decide without them, and see that."""
    found = await keeping.subject_of(session, case_id)
    if found:
        subject, level = found
        findings = [_undecided(one) for one in _checks(house_of(session), subject, level)]
        await keeping.record(session, case_id, subject, findings)


def _checks(house: House, subject: Subject, level: str) -> Sequence[NumberCheck | BankAccountCheck]:
    """Where the level asks for details their number is checked, else whose bank account it is."""
    if not LEVELS[level].asks_details:  # type: ignore[index]  # written from a Level
        return house.provided(BankAccountCheck)
    return [one for one in house.provided(NumberCheck) if one.id_kind == subject.details.id_kind]


async def _ask(house: House, one: NumberCheck | BankAccountCheck, subject: Subject) -> Finding:
    """A check that refuses decides nothing: people do."""
    try:
        return await one.check(house, subject)
    except TransientError:
        raise
    except DomainError:
        return _undecided(one)


def _undecided(one: NumberCheck | BankAccountCheck) -> Finding:
    return Finding(one.id_kind if isinstance(one, NumberCheck) else "bank_account", "unsure", "failed")


def _sealed_pages(house: House, content: bytes) -> list[bytes]:
    return [house.vault.seal_bytes(page) for page in house.the(PaperReader).read(content)]


def _check_size(house: House, content: bytes) -> None:
    most = house.settings_of(KycSettings).most_paper_megabytes
    if not content:
        message = N_("This file is empty.")
        raise InvalidInput(message, errors=[FieldError("/file", "empty", message)])
    if len(content) > most * 1_000_000:
        raise PayloadTooLarge(N_("This file is larger than {megabytes} MB."), megabytes=most)
