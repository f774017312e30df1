"""What each paper says, in the reader's language and formats: data for templates that have no words of their own.

Every function runs while the reader is spoken to (`i18n.reading`). What people wrote goes through untouched; the press
makes it printable.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from babel.dates import format_interval

from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.i18n import gettext, ngettext, reader
from tillhouse.parts.documents.domain.papers import (
    Certificate,
    Code,
    Fact,
    Invoice,
    Letter,
    Line,
    Look,
    Party,
    Receipt,
    Statement,
    Tax,
)
from tillhouse.parts.documents.domain.text import Json, short

# The accents of the house's pages (assets/tokens.mjs): (accent, the soft ground behind it).
COLOURS = {
    "house": ("#4443b9", "#eceffe"),
    "drivopay": ("#00694a", "#e6f4ed"),
    "wordai": ("#006495", "#e4f3fe"),
    "mindmine": ("#a54b0e", "#feece3"),
    "voice_invoice": ("#af2055", "#feeaee"),
    "astria": ("#7d2ba5", "#f6ebfe"),
}
# Devanagari and Thai reach higher and lower than Latin, and are never spaced out: their room between lines, in em.
_TALL = {"hi": "0.72", "th": "0.82"}
_PERCENT = Decimal(100)


def receipt_content(paper: Receipt) -> Mapping[str, Json]:
    """What a receipt says."""
    sums = [*_of_lines(paper.lines, paper.amount), *_taxes_as_sums(paper.taxes)]
    if paper.returned:
        sums.append(_sum(gettext("Paid"), paper.amount))
        sums.append(_sum(gettext("Given back"), -paper.returned))
        sums.append(_sum(gettext("What remains"), paper.amount - paper.returned, strong=True))
    else:
        sums.append(_sum(gettext("Paid"), paper.amount, strong=True))
    facts = [(gettext("Receipt number"), paper.number), (gettext("Paid on"), formats.moment(paper.paid_at))]
    facts += [(gettext("Paid with"), paper.method)] if paper.method else []
    columns, rows = _lines(paper.lines)
    return {
        **_around(gettext("Receipt"), paper.number, paper.issuer),
        "words": _words(by=gettext("Paid by"), to=gettext("Received by"), note=gettext("Note"))
        | {"for": gettext("For"), "paid": gettext("Paid")},
        "subject": paper.title,
        "amount": _money(paper.amount),
        "facts": [*facts, *_facts(paper.facts)],
        "payer": _party(paper.payer),
        "columns": columns,
        "rows": rows,
        "sums": sums,
        "taxes": _tax_table(paper.taxes),
        "code": _code(paper.code),
        "note": paper.note,
    }


def statement_content(paper: Statement) -> Mapping[str, Json]:
    """What a statement says."""
    nothing = Money(0, paper.opening.unit)
    days = format_interval(paper.first, paper.last, "yMMMd", locale=reader().locale)
    count = len(paper.entries)
    shown = ngettext("{count} movement", "{count} movements", count)
    rows = [
        {
            "day": formats.day(entry.at),
            "title": entry.title,
            "reference": entry.reference,
            "out": _money(-entry.amount) if entry.amount < nothing else "",
            "came": "" if entry.amount < nothing else _money(entry.amount),
            "balance": _money(entry.balance),
        }
        for entry in paper.entries
    ]
    return {
        **_around(gettext("Statement"), paper.number, paper.issuer),
        "words": _words(
            holder=gettext("Account of"),
            issuer=gettext("Issued by"),
            note=gettext("Note"),
            empty=gettext("Nothing moved in this time."),
        ),
        "holder": _party(paper.holder),
        "facts": [
            (gettext("Account"), paper.account),
            (gettext("Period"), days),
            (gettext("Movements"), shown),
            (gettext("Issued on"), formats.day(paper.issued_at)),
            *_facts(paper.facts),
        ],
        "sums": [
            _sum(gettext("Balance before"), paper.opening),
            _sum(gettext("Money in"), paper.money_in),
            _sum(gettext("Money out"), paper.money_out),
            _sum(gettext("Balance at the end"), paper.closing, strong=True),
        ],
        "columns": [
            gettext("Day"), gettext("What"), gettext("Money out"), gettext("Money in"), gettext("Balance"),
        ],
        "rows": rows,
        "note": paper.note,
    }  # fmt: skip


def invoice_content(paper: Invoice) -> Mapping[str, Json]:
    """What an invoice says."""
    facts = [(gettext("Invoice number"), paper.number), (gettext("Date"), formats.day(paper.issued_on))]
    facts += [(gettext("To be paid by"), formats.day(paper.due_on))] if paper.due_on else []
    columns, rows = _lines(paper.lines)
    paid_up = bool(paper.paid) and not paper.due
    return {
        **_around(paper.heading or gettext("Invoice"), paper.number, paper.seller),
        "stamp": gettext("Paid") if paid_up else None,
        "words": _words(
            seller=gettext("From"),
            buyer=gettext("Billed to"),
            bank=gettext("How to pay"),
            note=gettext("Note"),
            terms=gettext("Terms"),
        ),
        "draft": gettext("Draft") if paper.draft else None,
        "buyer": _party(paper.buyer),
        "facts": [*facts, *_facts(paper.facts)],
        "columns": columns,
        "rows": rows,
        "sums": _invoice_sums(paper),
        "taxes": _tax_table(paper.taxes),
        "bank": _facts(paper.bank),
        "code": _code(paper.code),
        "note": paper.note,
        "terms": paper.terms,
    }


def certificate_content(paper: Certificate) -> Mapping[str, Json]:
    """What a certificate says."""
    facts = [(gettext("Number"), paper.number), (gettext("Date"), formats.day(paper.issued_on))]
    return {
        **_around(paper.title, paper.number, paper.issuer),
        "words": _words(to=gettext("Awarded to")),
        "recipient": paper.recipient,
        "text": paper.text,
        "signer": paper.signer,
        "signer_role": paper.signer_role,
        "facts": [*facts, *_facts(paper.facts)],
        "code": _code(paper.code),
    }


def letter_content(paper: Letter) -> Mapping[str, Json]:
    """What a letter says."""
    facts = [(gettext("Number"), paper.number)] if paper.number else []
    return {
        **_around(paper.subject, paper.number, paper.sender),
        "words": _words(),
        "recipient": _party(paper.recipient),
        "day": formats.day(paper.issued_on, "long"),
        "facts": [*facts, *_facts(paper.facts)],
        "greeting": paper.greeting,
        "paragraphs": list(paper.paragraphs),
        "closing": paper.closing,
        "signer": paper.signer,
        "signer_role": paper.signer_role,
    }


def frame_of(look: Look) -> Mapping[str, str]:
    """What steers the templates: language, direction, colours, and room for letters that reach high and low."""
    language = reader().language
    accent, soft = COLOURS.get(look.accent, COLOURS["house"])
    tall = language.tag in _TALL
    return {
        "lang": language.tag,
        "dir": language.direction,
        "accent": accent,
        "soft": soft,
        "leading": _TALL[language.tag] if tall else "0.65",
        "tracking": "0" if tall else "0.3",
        "label": "8.5" if tall else "7.5",
    }


def _around(title: str, number: str, issuer: Party) -> dict[str, Json]:
    """What every paper has: title, issuer, and what runs at head and foot of its pages."""
    return {
        "title": short(title, 200),
        "issuer": _party(issuer),
        "stamp": None,
        "running": {"title": short(title, 60), "number": short(number, 40), "issuer": short(issuer.name, 60)},
    }


def _words(**words: str) -> dict[str, Json]:
    return {**words, "page": gettext(N_("Page {page} of {pages}"))}


def _party(who: Party) -> Json:
    return {"name": who.name, "address": list(who.address), "facts": _facts(who.facts)}


def _facts(facts: Sequence[Fact]) -> list[Json]:
    return [(fact.name, fact.value) for fact in facts]


def _money(amount: Money) -> str:
    return formats.money(amount)


def _sum(name: str, amount: Money, *, strong: bool = False) -> Json:
    return {"name": name, "value": _money(amount), "strong": strong}


def _of_lines(lines: Sequence[Line], like: Money) -> list[Json]:
    """The sum of the lines, where there is more than one or a tax makes it differ from the whole."""
    total = sum((line.amount for line in lines), start=Money(0, like.unit))
    return [_sum(gettext("Subtotal"), total)] if lines and (len(lines) > 1 or total != like) else []


def _taxes_as_sums(taxes: Sequence[Tax]) -> list[Json]:
    return [_sum(f"{tax.name} {_rate(tax.rate)}", tax.amount) for tax in taxes]


def _invoice_sums(paper: Invoice) -> list[Json]:
    sums = [_sum(gettext("Subtotal"), paper.subtotal)]
    sums += [_sum(gettext("Discount"), -paper.discount)] if paper.discount else []
    sums += _taxes_as_sums(paper.taxes)
    sums += [_sum(gettext("Rounding"), paper.rounding)] if paper.rounding else []
    if not paper.paid:
        return [*sums, _sum(gettext("Total"), paper.total, strong=True)]
    sums.append(_sum(gettext("Total"), paper.total))
    sums.append(_sum(gettext("Paid already"), -paper.paid))
    return [*sums, _sum(gettext("Still to pay"), paper.due, strong=True)]


def _lines(lines: Sequence[Line]) -> tuple[list[Json], list[Json]]:
    """Titles and cells of the table of lines: a column that no line fills is left out."""
    if not lines:
        return [], []
    columns: list[tuple[str, list[str]]] = [
        (gettext("Code"), [line.code for line in lines]),
        (gettext("Quantity"), [_quantity(line) for line in lines]),
        (gettext("Price"), [_money(line.price) if line.price else "" for line in lines]),
        (gettext("Tax"), [_rate(line.tax_rate) if line.tax_rate is not None else "" for line in lines]),
    ]
    used = [(title, cells) for title, cells in columns if any(cells)]
    used.append((gettext("Amount"), [_money(line.amount) for line in lines]))
    rows: list[Json] = [
        {"title": line.title, "detail": line.detail, "cells": [cells[index] for _, cells in used]}
        for index, line in enumerate(lines)
    ]
    return [gettext("What"), *(title for title, _ in used)], rows


def _quantity(line: Line) -> str:
    if line.quantity is None:
        return ""
    return f"{formats.number(line.quantity)} {line.unit}".strip()


def _rate(rate: Decimal) -> str:
    """`18%`, `2.5%`: with as many digits as the rate has."""
    digits = max(0, -int((rate * _PERCENT).normalize().as_tuple().exponent))
    return formats.percent(rate, digits=digits)


def _tax_table(taxes: Sequence[Tax]) -> Json:
    return {
        "title": gettext("Taxes"),
        "columns": [gettext("Tax"), gettext("Rate"), gettext("Taken of"), gettext("Amount")],
        "rows": [(tax.name, _rate(tax.rate), _money(tax.base), _money(tax.amount)) for tax in taxes],
    }


def _code(code: Code | None) -> Json:
    if code is None:
        return None
    alt = gettext("QR code: {title}", title=short(code.title, 80))
    return {"title": code.title, "note": code.note, "alt": alt}
