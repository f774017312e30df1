"""One day of one provider three times: what it reported, what our books moved, what reached our bank."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments.models import BankLineRow, ReconLineRow
from tillhouse.parts.payments.service.reconciliation.books import SETTLEMENT, subject_of_bank_line, subject_of_line
from tillhouse.parts.payments.store import reconciliation as store

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """One line that explains a part of a difference. `subject` is what its exception is called, if it has one."""

    what: str
    subject: str
    amount: Money


@dataclass(frozen=True, slots=True)
class DayStatement:
    """`reported` = `booked` + what is not booked; `reported` = `banked` + what is not in the bank.

    All three are net of fees and of one currency. `unexplained` is zero unless somebody wrote to the books elsewhere.
    """

    provider: str
    day: date
    reported: Money
    booked: Money
    banked: Money
    not_booked: tuple[Difference, ...]
    not_banked: tuple[Difference, ...]

    @property
    def unexplained(self) -> Money:
        explained = sum((one.amount for one in self.not_booked), self.booked)
        return self.reported - explained

    @property
    def agrees(self) -> bool:
        """Whether all three say the same, with nothing to explain."""
        return not (self.not_booked or self.not_banked or self.unexplained)


async def day_statement(session: ReadSession, provider: str, day: date) -> list[DayStatement]:
    """The three-way statement of a provider's day, one for each currency; empty when nothing was reported."""
    lines = await store.lines_of_day(session, provider, day)
    settlements = await store.settlements_of_day(session, provider, day)
    bank = await store.bank_lines_by_references(session, {reference for reference, *_ in settlements})
    found = []
    for unit in sorted({line.currency for line in lines}):
        mine = [line for line in lines if line.currency == unit]
        paid = [one for one in settlements if one[3] == unit]
        banked = [line for line in bank if line.currency == unit]
        found.append(
            DayStatement(
                provider=provider,
                day=day,
                reported=_sum((line.net for line in mine), unit),
                booked=await _booked(session, provider, day, unit),
                banked=_sum((line.change for line in banked), unit),
                not_booked=tuple(_not_booked(mine)),
                not_banked=tuple(_not_banked(paid, banked)),
            )
        )
    return found


def _not_booked(lines: Iterable[ReconLineRow]) -> Iterable[Difference]:
    for line in lines:
        if line.transaction_id is None and line.net:
            yield Difference(line.line_class, subject_of_line(line), line.net)


def _not_banked(
    settlements: Sequence[tuple[str, str, str, str, int]], bank: Sequence[BankLineRow]
) -> Iterable[Difference]:
    for reference, _, settlement, unit, total in settlements:
        found = [line for line in bank if line.reference == reference]
        left = total - sum(line.amount for line in found)
        if left:
            subject = subject_of_bank_line(found[0]) if found else settlement
            yield Difference("bank_amount" if found else "not_in_bank", subject, Money(left, unit))


async def _booked(session: ReadSession, provider: str, day: date, unit: str) -> Money:
    """What settlements of that day moved through the ledger's own account, whenever they were booked."""
    account = ledger.house_account(f"settling:{provider}", unit)
    since = datetime.combine(day, time(), UTC) - timedelta(days=1)
    total, before = Money(0, unit), None
    while True:
        lines = await ledger.statement(session, account, limit=_PAGE, before=before, since=since, kinds=[SETTLEMENT])
        for line in lines:
            if line.metadata.get("day") == day.isoformat():
                total += line.amount
        if len(lines) < _PAGE:
            return total
        before = lines[-1].transaction_id


def _sum(amounts: Iterable[Money | None], unit: str) -> Money:
    return sum((amount for amount in amounts if amount is not None), Money(0, unit))
