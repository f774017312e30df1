"""The documents' door for other modules: papers as PDF, payment QR codes.

    pdf = await documents.render_invoice(house, documents.Invoice(...), reader())

Papers are frozen dataclasses that refuse sums which do not agree. The result is PDF/A-3a and PDF/UA-1, and the same
bytes for the same paper and reader. Rendering runs in a process of its own: do not wait for it inside a transaction.
"""

from tillhouse.parts.documents.domain.papers import (
    MOST_LINES,
    Attachment,
    Certificate,
    Code,
    Entry,
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
from tillhouse.parts.documents.domain.payment_codes import promptpay, promptpay_bill, upi_link, vietqr
from tillhouse.parts.documents.service.codes import qr_data_uri, qr_png, qr_svg
from tillhouse.parts.documents.service.issuing import house_issuer, house_look
from tillhouse.parts.documents.service.printing import (
    render_certificate,
    render_invoice,
    render_letter,
    render_receipt,
    render_statement,
)

__all__ = [
    "MOST_LINES",
    "Attachment",
    "Certificate",
    "Code",
    "Entry",
    "Fact",
    "Invoice",
    "Letter",
    "Line",
    "Look",
    "Party",
    "Receipt",
    "Statement",
    "Tax",
    "house_issuer",
    "house_look",
    "promptpay",
    "promptpay_bill",
    "qr_data_uri",
    "qr_png",
    "qr_svg",
    "render_certificate",
    "render_invoice",
    "render_letter",
    "render_receipt",
    "render_statement",
    "upi_link",
    "vietqr",
]
