"""Opening balances as they come from another system: a CSV file, one account a line.

    owner_kind,owner_id,code,unit,amount,date
    house,,bank,INR,150000.00,2026-04-01
    person,0190d5c8-…,wallet,INR,250.50,2026-04-01

`amount` is what the account holds: positive for money in the bank and for what is owed to a person alike.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import PurePath
from uuid import UUID

from tillhouse.kernel.errors import DomainError, InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import AccountKind, AccountRef, Chart, Posting, TransactionKind, house_account

OPENING = "ledger.opening"
OPENING_ACCOUNT = "opening"
COLUMNS = ("owner_kind", "owner_id", "code", "unit", "amount", "date")

_TOO_MANY = "more fields than columns"

OPENING_ACCOUNTS = (
    AccountKind(owner_kind="house", code=OPENING_ACCOUNT, type="equity", number="3000", title=N_("Opening balances")),
)
OPENING_KIND = TransactionKind(name=OPENING, title=N_("Opening balance"), legs=("*",))


@dataclass(frozen=True, slots=True)
class OpeningLine:
    """One line of the file: what `account` held, in its natural sign, at the beginning of `day` (UTC)."""

    number: int
    account: AccountRef
    amount: Money
    day: date

    def posting(self, file: str, chart: Chart) -> Posting:
        """As it is booked, against `house/opening`: once for this line of a file of this name."""
        signed = Money(self.amount.minor * chart.account_kind(self.account).sign, self.amount.unit)
        return Posting(
            key=f"{OPENING}:{PurePath(file).name}:{self.number}",
            kind=OPENING,
            legs=((self.account, signed), (house_account(OPENING_ACCOUNT, self.account.unit), -signed)),
            effective_at=datetime.combine(self.day, time(), UTC),
            metadata={"file": PurePath(file).name, "line": self.number},
        )


@dataclass(frozen=True, slots=True)
class LineFault:
    """Why a line cannot be imported."""

    number: int
    reason: DomainError


class BadOpening(InvalidInput):
    """A line of an import cannot be booked."""

    code = "bad_opening"


def read_openings(rows: Iterable[str], chart: Chart, today: date) -> tuple[list[OpeningLine], list[LineFault]]:
    """Read a whole file. Nothing is booked while there is a fault."""
    reader = csv.DictReader(rows, strict=True, restkey=_TOO_MANY, restval="")
    lines: list[OpeningLine] = []
    faults: list[LineFault] = []
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        reason = BadOpening(N_("The first line names no column {columns}."), columns=", ".join(missing))
        return [], [LineFault(1, reason)]
    try:
        for row in reader:
            try:
                lines.append(_line(reader.line_num, row, chart, today))
            except DomainError as refusal:
                faults.append(LineFault(reader.line_num, refusal))
    except csv.Error as error:
        # The reader of dictionaries counts a line when it has read it.
        faults.append(LineFault(reader.reader.line_num, BadOpening(N_("This is no CSV: {error}."), error=error)))
    faults += _repeated(lines)
    return lines, sorted(faults, key=lambda fault: fault.number)


def _line(number: int, row: Mapping[str, str], chart: Chart, today: date) -> OpeningLine:
    if _TOO_MANY in row:
        raise BadOpening(N_("This line has more fields than the first one names."))
    values = {column: row[column].strip() for column in COLUMNS}
    account = AccountRef(values["owner_kind"], _owner(values["owner_id"]), values["code"], values["unit"])
    kind = chart.account_kind(account)
    if kind.lots:
        raise BadOpening(
            N_("{account} carries lots: grant them, with their source and their end."), account=account.path
        )
    if account.path == f"house/{OPENING_ACCOUNT}":
        raise BadOpening(N_("This account is the other side of every line: it is booked by itself."))
    amount = Money.parse(values["amount"], account.unit)
    if not amount:
        raise BadOpening(N_("An opening balance of zero is left out."))
    if kind.floor is not None and amount.minor < kind.floor:
        raise BadOpening(N_("{account} may not be that low."), account=account.path)
    return OpeningLine(number, account, amount, _day(values["date"], today))


def _owner(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise BadOpening(N_("{owner} is no id of an owner."), owner=text) from None


def _day(text: str, today: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadOpening(N_("{date} is no date: write it as 2026-04-01."), date=text) from None
    if day > today:
        raise BadOpening(N_("{date} is still to come."), date=text)
    return day


def _repeated(lines: Sequence[OpeningLine]) -> Iterator[LineFault]:
    times = Counter(line.account for line in lines)
    for line in lines:
        if times[line.account] > 1:
            reason = BadOpening(N_("{account} is named more than once: add the amounts up."), account=line.account)
            yield LineFault(line.number, reason)
