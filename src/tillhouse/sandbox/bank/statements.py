"""One day of an account as camt.053, MT940 or CSV. Amounts are paise in here, rupees with two decimals in the files."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from textwrap import wrap
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

Format = Literal["camt053", "mt940", "csv"]

_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"


@dataclass(frozen=True)
class Entry:
    """One booking. `change` is below zero where money left; `reference` is the bank's own (a UTR)."""

    id: str
    change: int
    reference: str
    text: str
    balance: int
    code: str
    is_return: bool = False


@dataclass(frozen=True)
class Statement:
    """One day of one account, oldest entry first."""

    account: str
    currency: str
    day: date
    opening: int
    entries: tuple[Entry, ...]

    @property
    def closing(self) -> int:
        return self.opening + sum(entry.change for entry in self.entries)


def as_csv(statement: Statement) -> bytes:
    """A table with the opening balance in its first row and the closing balance in its last."""
    day = statement.day.isoformat()
    file = io.StringIO(newline="")
    rows = csv.writer(file)
    rows.writerow(["Date", "Value Date", "Description", "Reference", "Debit", "Credit", "Balance", "Currency"])
    rows.writerow([day, day, "Opening balance", "", "", "", _decimal(statement.opening), statement.currency])
    for entry in statement.entries:
        debit = _decimal(-entry.change) if entry.change < 0 else ""
        credit = _decimal(entry.change) if entry.change > 0 else ""
        balance = _decimal(entry.balance)
        rows.writerow([day, day, entry.text, entry.reference, debit, credit, balance, statement.currency])
    rows.writerow([day, day, "Closing balance", "", "", "", _decimal(statement.closing), statement.currency])
    return file.getvalue().encode()


def as_mt940(statement: Statement) -> bytes:
    """SWIFT's customer statement message, its text block alone, as banks hand it out for download."""
    stamp = f"{statement.day:%y%m%d}"
    number = statement.day.timetuple().tm_yday
    lines = [
        f":20:TILL{stamp}",
        f":25:{statement.account}",
        f":28C:{number:05d}/00001",
        f":60F:{_mt_balance(statement.opening, stamp, statement.currency)}",
    ]
    for entry in statement.entries:
        mark = ("RC" if entry.change < 0 else "RD") if entry.is_return else ("D" if entry.change < 0 else "C")
        amount = _decimal(abs(entry.change)).replace(".", ",")
        lines.append(f":61:{stamp}{statement.day:%m%d}{mark}{amount}N{entry.code}{entry.reference[:16]}")
        lines += [(":86:" if part == 0 else "") + text for part, text in enumerate(_wrapped(entry.text))]
    lines += [f":62F:{_mt_balance(statement.closing, stamp, statement.currency)}", "-"]
    return ("\r\n".join(lines) + "\r\n").encode("ascii", "replace")


def as_camt053(statement: Statement) -> bytes:
    """ISO 20022 bank-to-customer statement, version 2."""
    root = Element("Document", xmlns=_NAMESPACE)
    message = SubElement(root, "BkToCstmrStmt")
    day = statement.day.isoformat()
    header = SubElement(message, "GrpHdr")
    _leaf(header, "MsgId", f"TILL-{day}")
    _leaf(header, "CreDtTm", f"{day}T23:59:59+05:30")
    body = SubElement(message, "Stmt")
    _leaf(body, "Id", f"{statement.account}-{day}")
    _leaf(body, "ElctrncSeqNb", str(statement.day.timetuple().tm_yday))
    _leaf(body, "CreDtTm", f"{day}T23:59:59+05:30")
    account = SubElement(body, "Acct")
    _leaf(SubElement(SubElement(account, "Id"), "Othr"), "Id", statement.account)
    _leaf(account, "Ccy", statement.currency)
    _camt_balance(body, "OPBD", statement.opening, statement)
    _camt_balance(body, "CLBD", statement.closing, statement)
    for entry in statement.entries:
        _camt_entry(body, entry, statement)
    indent(root)
    text: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


@dataclass(frozen=True)
class _Form:
    write: Callable[[Statement], bytes]
    media_type: str
    ending: str


FORMS: dict[Format, _Form] = {
    "camt053": _Form(as_camt053, "application/xml", "xml"),
    "mt940": _Form(as_mt940, "text/plain", "sta"),
    "csv": _Form(as_csv, "text/csv", "csv"),
}


def _camt_entry(body: Element, entry: Entry, statement: Statement) -> None:
    node = SubElement(body, "Ntry")
    _leaf(node, "NtryRef", entry.id)
    _camt_amount(node, entry.change, statement.currency)
    if entry.is_return:
        _leaf(node, "RvslInd", "true")
    _leaf(node, "Sts", "BOOK")
    for name in ("BookgDt", "ValDt"):
        _leaf(SubElement(node, name), "Dt", statement.day.isoformat())
    _leaf(node, "AcctSvcrRef", entry.reference)
    _leaf(SubElement(SubElement(node, "BkTxCd"), "Prtry"), "Cd", entry.code)
    details = SubElement(SubElement(node, "NtryDtls"), "TxDtls")
    _leaf(SubElement(details, "Refs"), "EndToEndId", entry.reference)
    _leaf(SubElement(details, "RmtInf"), "Ustrd", entry.text)


def _camt_balance(body: Element, code: str, amount: int, statement: Statement) -> None:
    node = SubElement(body, "Bal")
    _leaf(SubElement(SubElement(node, "Tp"), "CdOrPrtry"), "Cd", code)
    _camt_amount(node, amount, statement.currency)
    _leaf(SubElement(node, "Dt"), "Dt", statement.day.isoformat())


def _camt_amount(node: Element, amount: int, currency: str) -> None:
    SubElement(node, "Amt", Ccy=currency).text = _decimal(abs(amount))
    _leaf(node, "CdtDbtInd", "DBIT" if amount < 0 else "CRDT")


def _leaf(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = text


def _mt_balance(amount: int, stamp: str, currency: str) -> str:
    return f"{'D' if amount < 0 else 'C'}{stamp}{currency}{_decimal(abs(amount)).replace('.', ',')}"


def _decimal(paise: int) -> str:
    return f"{'-' if paise < 0 else ''}{abs(paise) // 100}.{abs(paise) % 100:02d}"


def _wrapped(text: str) -> list[str]:
    """The lines of field 86, none above 65 letters with its tag. Each begins with a word: a hyphen would end it all."""
    return wrap(text, 60, break_on_hyphens=False) or [""]
