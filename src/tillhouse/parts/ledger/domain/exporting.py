"""The journal as text: CSV for spreadsheets, JSON lines for programs, and a journal that hledger reads.

Amounts are signed, debits positive, in major units.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal
from urllib.parse import quote

from tillhouse.kernel.db import JsonValue
from tillhouse.kernel.money import digits_shown
from tillhouse.kernel.sheets import cell, csv_line
from tillhouse.parts.ledger.domain import AccountRef, AccountType, Transaction

ExportFormat = Literal["csv", "jsonl", "hledger"]

_COLUMNS = (
    "transaction", "recorded_at", "effective_at", "kind", "reverses", "owner_kind", "owner_id", "code", "unit",
    "amount", "metadata",
)  # fmt: skip
_HEADINGS: Mapping[AccountType, str] = MappingProxyType(
    {"asset": "assets", "liability": "liabilities", "equity": "equity", "income": "revenues", "expense": "expenses"}
)
_PLAIN = "/@+-"  # what an account's name may hold besides letters, digits and what `quote` leaves


def csv_header() -> str:
    """The names of the columns."""
    return csv_line(_COLUMNS)


def as_csv(transaction: Transaction) -> str:
    """One line per leg."""
    metadata = cell(_json(transaction.metadata)) if transaction.metadata else ""
    return "".join(
        csv_line(
            [
                transaction.id, _instant(transaction.recorded_at), _instant(transaction.effective_at),
                cell(transaction.kind), transaction.reverses or "", cell(account.owner_kind), account.owner_id or "",
                cell(account.code), cell(account.unit), amount, metadata,
            ]
        )
        for account, amount in transaction.legs
    )  # fmt: skip


def as_json_line(transaction: Transaction) -> str:
    """One object per transaction. Numbers of transactions are strings: they are larger than JavaScript can count."""
    legs: list[JsonValue] = [
        {
            "owner_kind": account.owner_kind,
            "owner_id": str(account.owner_id) if account.owner_id else None,
            "code": account.code,
            "unit": account.unit,
            "amount": str(amount),
        }
        for account, amount in transaction.legs
    ]
    reverses = None if transaction.reverses is None else str(transaction.reverses)
    return (
        _json(
            {
                "id": str(transaction.id),
                "kind": transaction.kind,
                "recorded_at": _instant(transaction.recorded_at),
                "effective_at": _instant(transaction.effective_at),
                "reverses": reverses,
                "metadata": transaction.metadata,
                "legs": legs,
            }
        )
        + "\n"
    )


def hledger_header() -> str:
    """What hledger has to know before the first amount."""
    return "; The journal of a Tillhouse ledger: dates are effective=recorded, in UTC.\ndecimal-mark .\n\n"


def as_hledger(transaction: Transaction, types: Mapping[AccountRef, AccountType]) -> str:
    """One transaction: dated by its effective day, its recorded day second."""
    lines = [
        f"{transaction.effective_at:%Y-%m-%d}={transaction.recorded_at:%Y-%m-%d} ({transaction.id}) "
        f"{_word(transaction.kind)}{_comment(transaction)}"
    ]
    lines += [
        f'    {hledger_account(account, types[account])}  {amount} "{_word(account.unit)}"'
        for account, amount in transaction.legs
    ]
    return "\n".join(lines) + "\n\n"


def hledger_account(account: AccountRef, kind: AccountType) -> str:
    """The account's name in hledger: `liabilities:person:<id>:wallet`."""
    owner = [account.owner_kind] if account.owner_id is None else [account.owner_kind, str(account.owner_id)]
    return ":".join([_HEADINGS[kind], *(_word(part) for part in (*owner, *account.code.split(":")))])


def hledger_unit_declaration(unit: str) -> str:
    """What `hledger check --strict` wants to be told of a unit: its name and its decimals."""
    return f'commodity 1000.{"0" * digits_shown(unit)} "{_word(unit)}"\n'


def hledger_account_declaration(name: str) -> str:
    """What `hledger check --strict` wants to be told of an account."""
    return f"account {name}\n"


def _word(text: str) -> str:
    """Text without what has a meaning in a journal, percent-encoded; never empty."""
    return quote(text, safe=_PLAIN) or "%"


def _comment(transaction: Transaction) -> str:
    """The metadata as a comment in which hledger sees no tag and no date: it has no colon and no bracket."""
    parts = [] if transaction.reverses is None else [f"reverses {transaction.reverses}"]
    parts += [f"{_value(name)}={_value(value)}" for name, value in sorted(transaction.metadata.items())]
    return f"  ; {', '.join(parts)}" if parts else ""


def _value(value: JsonValue) -> str:
    text = value if isinstance(value, str) else _json(value)
    return re.sub(r"[\x00-\x20:,;=\[\]%\x7f-\U0010ffff]", lambda found: quote(found[0]), text)


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _instant(instant: datetime) -> str:
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
