"""Papers as PDF files: the reader is spoken to, the press prints.

None of these needs a transaction, and none should be waited for inside one: a paper takes tens of milliseconds, a long
one seconds. All raise `InvalidInput` for a logo that is no picture, an attachment without a usable name and a QR text
that is too long, and `TransientError` when the paper could not be printed this time.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeAlias

from tillhouse.kernel.house import House
from tillhouse.kernel.web import render
from tillhouse.kernel.web.i18n import Reader, Translations, reading
from tillhouse.parts.documents.domain.papers import (
    Attachment,
    Certificate,
    Code,
    Invoice,
    Letter,
    Receipt,
    Statement,
)
from tillhouse.parts.documents.domain.text import Json, short
from tillhouse.parts.documents.ports import InstalledPress, Sheet, Template
from tillhouse.parts.documents.service import content
from tillhouse.parts.documents.service.codes import qr_svg

_LOCALE = Path(__file__).parents[1] / "locale"
Paper: TypeAlias = Receipt | Statement | Invoice | Certificate | Letter


async def render_receipt(
    house: House, receipt: Receipt, reader: Reader, *, attachments: Sequence[Attachment] = ()
) -> bytes:
    """The receipt as PDF, in the reader's language, zone and formats."""
    with _speaking_to(reader):
        said = _Said("receipt", receipt.number, receipt.issuer.name, content.receipt_content(receipt))
        return await _print(house, receipt, said, receipt.code, attachments)


async def render_statement(
    house: House, statement: Statement, reader: Reader, *, attachments: Sequence[Attachment] = ()
) -> bytes:
    """The statement as PDF, in the reader's language, zone and formats."""
    with _speaking_to(reader):
        said = _Said("statement", statement.number, statement.issuer.name, content.statement_content(statement))
        return await _print(house, statement, said, None, attachments)


async def render_invoice(
    house: House, invoice: Invoice, reader: Reader, *, attachments: Sequence[Attachment] = ()
) -> bytes:
    """The invoice as PDF, in the reader's language and formats; `attachments` may carry its XML."""
    with _speaking_to(reader):
        said = _Said("invoice", invoice.number, invoice.seller.name, content.invoice_content(invoice))
        return await _print(house, invoice, said, invoice.code, attachments)


async def render_certificate(
    house: House, certificate: Certificate, reader: Reader, *, attachments: Sequence[Attachment] = ()
) -> bytes:
    """The certificate as PDF, landscape."""
    with _speaking_to(reader):
        said = _Said(
            "certificate", certificate.number, certificate.issuer.name, content.certificate_content(certificate)
        )
        return await _print(house, certificate, said, certificate.code, attachments)


async def render_letter(
    house: House, letter: Letter, reader: Reader, *, attachments: Sequence[Attachment] = ()
) -> bytes:
    """The letter as PDF."""
    with _speaking_to(reader):
        said = _Said("letter", letter.number, letter.sender.name, content.letter_content(letter))
        return await _print(house, letter, said, None, attachments)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a paper says, and what its file is called by."""

    template: Template
    number: str
    author: str
    content: Mapping[str, Json]


async def _print(
    house: House, paper: Paper, said: _Said, code: Code | None, attachments: Sequence[Attachment]
) -> bytes:
    title = str(said.content["title"])
    sheet = Sheet(
        template=said.template,
        frame=content.frame_of(paper.look),
        title=title,
        author=short(said.author, 200),
        description=short(f"{title} {said.number}", 300),
        content=said.content,
        made_at=paper.issued_at,
        logo=paper.look.logo,
        code=qr_svg(code.text) if code else None,
        attachments=tuple(attachments),
    )
    return await house.the(InstalledPress).load().pdf(sheet)


@contextmanager
def _speaking_to(reader: Reader) -> Iterator[None]:
    """Speak to `reader` in the words of papers: a worker has no catalogues of pages."""
    with reading(replace(reader, translations=_translations())):
        yield


@cache
def _translations() -> Translations:
    """The words of papers, and the kernel's."""
    return Translations({"documents": _LOCALE, "kernel": render.LOCALE})
