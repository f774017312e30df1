"""Statements of our bank, read from files: camt.053, MT940 and CSV. Nothing of a file is believed before it adds up.

The formats differ, the lines do not: the same day read from any of the three is the same account, day, amount,
reference and sequence.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

import mt940
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from tillhouse.kernel.errors import DomainError, InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_

Form = Literal["camt053", "mt940", "csv"]

MOST_LINES = 100_000
_LONGEST_TEXT = 500
_LONGEST_REFERENCE = 100


class BadStatement(InvalidInput):
    """A file that is no statement, or one that does not add up. `details` say what and where."""

    code = "bad_statement"


@dataclass(frozen=True, slots=True)
class BankLine:
    """One booking. `change` is below zero where money left; `sequence` tells equal lines of a day apart.

    `source_id` is a provider's own id of it, where the line does not come from a file.
    """

    day: date
    change: Money
    reference: str
    text: str
    sequence: int = 1
    source_id: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A stretch of days of one account. Balances are None where the file tells none: its days are not closed then."""

    account: str
    currency: str
    first_day: date
    last_day: date
    opening: Money | None
    closing: Money | None
    lines: tuple[BankLine, ...]


@dataclass(frozen=True, slots=True)
class CsvColumns:
    """Which column of a CSV file holds what: names of its header. `amount` is signed; without it debit and credit are.

    `date_format` is strptime's; `decimal` is the mark before the last digits, the other one may group.
    """

    date: str = "Date"
    reference: str = "Reference"
    text: str = "Description"
    amount: str = ""
    debit: str = "Debit"
    credit: str = "Credit"
    balance: str = "Balance"
    currency: str = "Currency"
    date_format: str = "%Y-%m-%d"
    delimiter: str = ","
    decimal: str = "."

    @classmethod
    def declared(cls, pairs: Iterable[str]) -> "CsvColumns":
        """From `("date=Txn Date", …)`. Raises `ValueError` for what there is not, or a bad mark."""
        given = dict(pair.partition("=")[::2] for pair in pairs)
        unknown = set(given) - set(cls.__slots__)
        if unknown:
            raise ValueError(f"a CSV statement has no {', '.join(sorted(unknown))}")
        columns = cls(**given)
        if columns.decimal not in (".", ",") or len(columns.delimiter) != 1:
            raise ValueError("decimal is . or , and the delimiter is one character")
        return columns


def read_statements(
    content: bytes, form: Form | None, *, columns: CsvColumns, account: str = "", currency: str = ""
) -> list[Statement]:
    """Every statement in a file. `account` and `currency` are for CSV, which names no account (and may no currency).

    Raises `BadStatement` for what cannot be read exactly, for lines that do not lead from the opening to the closing
    balance, and for amounts that we cannot count.
    """
    try:
        match form or _guess(content):
            case "camt053":
                found = _camt(content)
            case "mt940":
                found = _mt940(_text_of(content))
            case "csv":
                found = [_csv(_text_of(content), columns, account, currency)]
    except BadStatement:
        raise
    except DomainError as refused:  # an amount or a currency
        raise _bad(N_("An amount of the statement cannot be read: {reason}"), reason=str(refused)) from None
    if not found:
        raise _bad(N_("There is no statement in this file."))
    for statement in found:
        _adds_up(statement)
    return [_numbered(statement) for statement in found]


def sequenced(lines: Sequence[BankLine]) -> tuple[BankLine, ...]:
    """The lines with equal ones of a day numbered, in the order of the bank."""
    seen: Counter[tuple[object, ...]] = Counter()
    numbered = []
    for line in lines:
        key = (line.day, line.change, line.reference)
        seen[key] += 1
        numbered.append(replace(line, sequence=seen[key]))
    return tuple(numbered)


def _numbered(statement: Statement) -> Statement:
    """A line of nothing (banks note things) is no booking."""
    return replace(statement, lines=sequenced([line for line in statement.lines if line.change]))


def _guess(content: bytes) -> Form:
    start = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        return "camt053"
    # Field 20 begins every message; some banks write lines of their own before it.
    return "mt940" if re.match(rb"\{1:", start) or re.search(rb"(?m)^:20:", start) else "csv"


def _text_of(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _bad(N_("The file is not UTF-8 text: save it as UTF-8 and import it again.")) from None
    if "\0" in text:
        raise _bad(N_("The file is not a text file."))
    return text


def _adds_up(statement: Statement) -> None:
    if len(statement.lines) > MOST_LINES:
        raise _bad(N_("A statement has at most {most} lines."), most=MOST_LINES)
    if not statement.account or len(statement.account) > 64 or not statement.account.isprintable():
        raise _bad(N_("The file does not name its account: say which one it is."))
    if statement.opening is not None and statement.closing is not None:
        total = sum((line.change for line in statement.lines), statement.opening)
        if total != statement.closing:
            raise _bad(
                N_("The lines lead to {found}, the statement closes with {closing}: get the file from the bank again."),
                found=total, closing=statement.closing,
            )  # fmt: skip


def _line(day: date, change: Money, reference: str, text: str) -> BankLine:
    reference, text = " ".join(reference.split()), " ".join(text.split())
    if len(reference) > _LONGEST_REFERENCE:
        raise _bad(N_("A reference of the statement cannot be stored."))
    return BankLine(day, change, reference, text[:_LONGEST_TEXT])


def _bad(message: str, **fields: object) -> BadStatement:
    return BadStatement(message, errors=(), **fields)


# --- camt.053 -------------------------------------------------------------------------------------------------------

_CAMT = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.(0[2-9]|1[0-3])\}Document")
_CAMT_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,5})?")


def _camt(content: bytes) -> list[Statement]:
    try:
        root: Element = fromstring(content, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise _bad(N_("The file is not XML of a bank: it is damaged, or holds what no bank sends.")) from None
    if not _CAMT.fullmatch(root.tag):
        raise _bad(N_("The file is not a camt.053 statement of a version that we know (2 to 13)."))
    names = {"c": root.tag[1:].partition("}")[0]}
    return [_camt_statement(node, names) for node in root.iterfind("c:BkToCstmrStmt/c:Stmt", names)]


def _camt_statement(node: Element, names: dict[str, str]) -> Statement:
    account = _said(node, names, "c:Acct/c:Id/c:IBAN") or _said(node, names, "c:Acct/c:Id/c:Othr/c:Id")
    entries = [entry for entry in node.iterfind("c:Ntry", names) if _is_booked(entry, names)]
    lines = tuple(_camt_line(entry, names) for entry in entries)
    balances = {
        _said(one, names, "c:Tp/c:CdOrPrtry/c:Cd"): (_camt_amount(one, names), _camt_day(one, names, "c:Dt"))
        for one in node.iterfind("c:Bal", names)
    }
    opening, closing = balances.get("OPBD") or balances.get("PRCD"), balances.get("CLBD")
    days = [line.day for line in lines] + ([closing[1]] if closing else [])
    since, until = _said(node, names, "c:FrToDt/c:FrDtTm"), _said(node, names, "c:FrToDt/c:ToDtTm")
    days += [_day(value[:10]) for value in (since, until) if value]
    if not days:
        raise _bad(N_("The statement names no day."))
    currency = _said(node, names, "c:Acct/c:Ccy") or (closing[0].unit if closing else "")
    return _of_one_currency(
        Statement(
            account, currency, min(days), max(days),
            opening[0] if opening else None, closing[0] if closing else None, lines,
        )
    )  # fmt: skip


def _camt_line(entry: Element, names: dict[str, str]) -> BankLine:
    refs = "c:NtryDtls/c:TxDtls/c:Refs"
    references = ("c:AcctSvcrRef", f"{refs}/c:AcctSvcrRef", f"{refs}/c:EndToEndId")
    reference = next((found for path in references if (found := _said(entry, names, path))), "")
    purposes = (f"c:NtryDtls/c:TxDtls/c:RmtInf/{one}" for one in ("c:Ustrd", "c:Strd/c:CdtrRefInf/c:Ref"))
    told = [one.text or "" for path in purposes for one in entry.iterfind(path, names)]
    text = " ".join(told) or _said(entry, names, "c:AddtlNtryInf")
    return _line(_camt_day(entry, names, "c:BookgDt"), _camt_amount(entry, names), reference, text)


def _is_booked(entry: Element, names: dict[str, str]) -> bool:
    """Only what is booked counts: what is pending may never be. Version 8 and later put the word one level down."""
    state = _said(entry, names, "c:Sts/c:Cd") or _said(entry, names, "c:Sts")
    if state not in ("BOOK", "PDNG", "INFO", "FUTR"):
        raise _bad(N_("An entry of the statement does not say whether it is booked."))
    return state == "BOOK"


def _camt_amount(node: Element, names: dict[str, str]) -> Money:
    amount = node.find("c:Amt", names)
    written = (amount.text or "").strip() if amount is not None else ""
    way = _said(node, names, "c:CdtDbtInd")
    if amount is None or not _CAMT_AMOUNT.fullmatch(written) or way not in ("CRDT", "DBIT"):
        raise _bad(N_("An amount of the statement cannot be read exactly: {written}"), written=written[:40])
    money = Money.parse(written, amount.get("Ccy", ""))
    return money if way == "CRDT" else -money


def _camt_day(node: Element, names: dict[str, str], path: str) -> date:
    return _day((_said(node, names, f"{path}/c:Dt") or _said(node, names, f"{path}/c:DtTm"))[:10])


def _said(node: Element, names: dict[str, str], path: str) -> str:
    return node.findtext(path, "", names).strip()


# --- MT940 ----------------------------------------------------------------------------------------------------------

# Field 86 in one piece, or what the parser makes of one that has sub-fields (?00 text, ?20 purpose, ?32 name).
_TOLD = ("transaction_details", "posting_text", "purpose", "applicant_name")
_LEFT, _CAME = frozenset({"D", "RC"}), frozenset({"C", "RD"})


def _mt940(text: str) -> list[Statement]:
    """One statement a message: each begins with field 20."""
    messages = re.split(r"(?m)^(?=:20:)", text.replace("\r\n", "\n"))
    return [_mt940_statement(message) for message in messages if message.startswith(":20:")]


def _mt940_statement(message: str) -> Statement:
    try:
        read = mt940.parse(message)
    except Exception:  # noqa: BLE001  whatever the parser stumbles over, the file is not a statement
        raise _bad(N_("The file is not an MT940 statement that can be read.")) from None
    head = read.data
    opening = head.get("final_opening_balance") or head.get("intermediate_opening_balance")
    closing = head.get("final_closing_balance") or head.get("intermediate_closing_balance")
    if opening is None or closing is None:
        raise _bad(N_("An MT940 statement has an opening and a closing balance; this one has not."))
    lines = tuple(_mt940_line(found.data) for found in read)
    days = [line.day for line in lines] + [_plain(closing.date)]
    return _of_one_currency(
        Statement(
            str(head.get("account_identification") or "").strip(), closing.amount.currency, min(days), max(days),
            _exact(opening.amount.amount, opening.amount.currency),
            _exact(closing.amount.amount, closing.amount.currency), lines,
        )
    )  # fmt: skip


def _mt940_line(data: Mapping[str, object]) -> BankLine:
    amount, status = data.get("amount"), str(data.get("status") or "")
    if not isinstance(amount, mt940.models.Amount) or status not in _LEFT | _CAME:
        raise _bad(N_("A line of the statement does not say which way its money went."))
    size = _exact(abs(amount.amount), str(amount.currency))
    day = data.get("entry_date") or data.get("date")
    assert isinstance(day, date)  # the parser reads no line without one
    customer, bank = str(data.get("customer_reference") or ""), str(data.get("bank_reference") or "")
    reference = customer if customer and customer != "NONREF" else bank
    text = " ".join(str(data[name]) for name in _TOLD if data.get(name))
    return _line(_plain(day), -size if status in _LEFT else size, reference, text)


def _exact(amount: object, currency: str) -> Money:
    return Money.parse(f"{amount:f}", currency)


def _plain(day: date) -> date:
    return date(day.year, day.month, day.day)


# --- CSV ------------------------------------------------------------------------------------------------------------


def _csv(text: str, columns: CsvColumns, account: str, currency: str) -> Statement:
    """Rows without an amount tell a balance alone: that before the first line, and that after the last.

    Banks line columns up with spaces, in the header too, and put an empty line before it.
    """
    try:
        table = csv.DictReader(io.StringIO(text.lstrip("\r\n "), newline=""), delimiter=columns.delimiter, strict=True)
        table.fieldnames = [name.strip() for name in table.fieldnames or ()]
        rows = list(table)
    except csv.Error:
        raise _bad(N_("The file is not a table that can be read.")) from None
    lines: list[BankLine] = []
    days: list[date] = []
    opening: Money | None = None
    balance: Money | None = None
    for row in rows:
        unit = _cell(row, columns.currency, optional=True) or currency
        day = _day(_cell(row, columns.date), columns.date_format)
        days.append(day)
        change, told = _change(row, columns, unit), _balance(row, columns, unit)
        if change is not None:
            lines.append(_line(day, change, _cell(row, columns.reference), _cell(row, columns.text, optional=True)))
        if told is not None:
            before = told - change if change is not None else told
            if (balance is not None and before != balance) or (balance is None and len(lines) > (change is not None)):
                raise _bad(N_("The balances of the table do not follow from its amounts, on {day}."), day=day)
            opening, balance = (before if opening is None else opening), told
        elif balance is not None and change is not None:
            raise _bad(N_("A row of the table tells no balance, though others do, on {day}."), day=day)
    if not days:
        raise _bad(N_("There is no statement in this file."))
    known = lines[0].change.unit if lines else balance.unit if balance is not None else currency
    return _of_one_currency(Statement(account, known, min(days), max(days), opening, balance, tuple(lines)))


def _change(row: Mapping[str, str | None], columns: CsvColumns, unit: str) -> Money | None:
    if columns.amount:
        written = _cell(row, columns.amount)
        return _number(written, columns, unit) if written else None
    debit, credit = (_size(row, name, columns, unit) for name in (columns.debit, columns.credit))
    if debit and credit:
        raise _bad(N_("A row of the table is a debit and a credit at once."))
    if debit:
        return -debit
    return credit or debit


def _size(row: Mapping[str, str | None], name: str, columns: CsvColumns, unit: str) -> Money | None:
    """What a column says; 0.00 is how some banks leave the other one empty."""
    written = _cell(row, name)
    return _number(written, columns, unit) if written else None


def _balance(row: Mapping[str, str | None], columns: CsvColumns, unit: str) -> Money | None:
    written = _cell(row, columns.balance, optional=True)
    return _number(written, columns, unit) if written else None


def _number(written: str, columns: CsvColumns, unit: str) -> Money:
    """Exact, with the declared mark; groups end with one of three digits, so that 1,50 is never 150."""
    mark, group = re.escape(columns.decimal), re.escape("," if columns.decimal == "." else ".")
    grouped = rf"[0-9]{{1,3}}({group}[0-9]{{2,3}})*{group}[0-9]{{3}}"
    if not re.fullmatch(rf"-?({grouped}|[0-9]+)({mark}[0-9]+)?", written):
        raise _bad(N_("An amount of the statement cannot be read exactly: {written}"), written=written[:40])
    plain = re.sub(group, "", written).replace(columns.decimal, ".")
    return Money.parse(plain, unit)


def _cell(row: Mapping[str, str | None], name: str, *, optional: bool = False) -> str:
    if name not in row:
        if optional:
            return ""
        raise _bad(N_("The table has no column called {name}: declare which column holds what."), name=name)
    return (row[name] or "").strip()


# --- all of them ----------------------------------------------------------------------------------------------------


def _day(written: str, form: str = "%Y-%m-%d") -> date:
    try:
        return datetime.strptime(written, form).date()  # noqa: DTZ007  a day of the bank's calendar has no zone
    except ValueError:
        raise _bad(N_("A day of the statement cannot be read: {written}"), written=written[:40]) from None


def _of_one_currency(statement: Statement) -> Statement:
    told = [statement.opening, statement.closing, *(line.change for line in statement.lines)]
    if any(money is not None and money.unit != statement.currency for money in told):
        raise _bad(N_("The statement mixes currencies."))
    return statement
