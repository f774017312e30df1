"""One of each paper, in believable words, for tests and the benchmark."""

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from PIL import Image, ImageDraw

from tillhouse.kernel.money import Money
from tillhouse.kernel.web.i18n import LANGUAGES, Reader
from tillhouse.parts.documents import api as documents
from tillhouse.parts.documents.api import Code, Entry, Fact, Line, Look, Party, Tax

WHEN = datetime(2026, 11, 21, 9, 5, tzinfo=UTC)
_ZONES = {"IN": "Asia/Kolkata", "VN": "Asia/Ho_Chi_Minh", "TH": "Asia/Bangkok", "IL": "Asia/Jerusalem"}
READERS = {tag: Reader(language, _ZONES[language.region]) for tag, language in LANGUAGES.items()}
HOUSE = Party(
    name="DrivoPay Technologies Pvt Ltd",
    address=("4th Floor, Brigade Court", "Koramangala, Bengaluru 560095", "Karnataka, India"),
    facts=(Fact("GSTIN", "29AABCD1234E1Z5"),),
)
ASHA = Party(name="Asha Rao", address=("12 MG Road", "Mysuru 570001"))


def rupees(paise: int) -> Money:
    return Money(paise, "INR")


def logo() -> bytes:
    picture = Image.new("RGBA", (640, 200), (255, 255, 255, 0))
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle((0, 20, 160, 180), 36, fill="#00694a")
    pen.polygon([(45, 130), (80, 60), (115, 130)], fill="#ffffff")
    pen.rectangle((200, 60, 620, 95), fill="#1a1f2e")
    pen.rectangle((200, 115, 480, 140), fill="#8a93a5")
    made = io.BytesIO()
    picture.save(made, "PNG")
    return made.getvalue()


def receipt(**changes: object) -> documents.Receipt:
    given = {
        "number": "R-2026-000123",
        "issued_at": WHEN,
        "paid_at": WHEN,
        "issuer": HOUSE,
        "payer": ASHA,
        "title": "Yearly plan",
        "amount": rupees(1_23_456_78),
        "method": "UPI",
        "facts": (Fact("Payment", "pay_Q1w2E3r4T5y6U7"),),
        "look": Look(accent="drivopay"),
    }
    return documents.Receipt(**{**given, **changes})  # type: ignore[arg-type]


def statement(movements: int = 40, **changes: object) -> documents.Statement:
    balance, entries = rupees(50_000), []
    for number in range(movements):
        amount = rupees(18_750 + number * 137 if number % 3 else -(9_900 + number * 211))
        balance += amount
        title = "Money added" if number % 3 else "Withdrawal to bank"
        at = datetime(2026, 10, 1, 4, 30, tzinfo=UTC) + timedelta(hours=17 * number)
        entries.append(Entry(at=at, title=title, amount=amount, balance=balance, reference=f"T{90_000 + number}"))
    given = {
        "number": "2026-10",
        "issued_at": WHEN,
        "issuer": HOUSE,
        "holder": ASHA,
        "account": "Wallet · INR",
        "first": date(2026, 10, 1),
        "last": date(2026, 10, 31),
        "opening": rupees(50_000),
        "closing": balance,
        "entries": entries,
        "look": Look(accent="drivopay"),
    }
    return documents.Statement(**{**given, **changes})  # type: ignore[arg-type]


def invoice(lines: int = 3, **changes: object) -> documents.Invoice:
    work = [
        Line(
            title=f"Fitting of kitchen tap {number + 1}" if number else "Replacing the main water pump",
            detail="Parts and two hours of work" if number % 2 == 0 else "",
            code="998719",
            quantity=Decimal(2) if number else Decimal("1.5"),
            unit="h",
            price=rupees(85_000),
            tax_rate=Decimal("0.18"),
            amount=rupees(170_000 if number else 127_500),
        )
        for number in range(lines)
    ]
    base = sum((line.amount for line in work), start=rupees(0))
    half = rupees(base.minor * 9 // 100)
    exact = base + half + half
    total = rupees(round(exact.minor, -2))
    given = {
        "number": "INV/26-27/0042",
        "issued_at": WHEN,
        "issued_on": date(2026, 11, 21),
        "due_on": date(2026, 12, 5),
        "seller": Party(
            name="Ravi Plumbing Works",
            address=("Shop 7, Gandhi Bazaar", "Bengaluru 560004"),
            facts=(Fact("GSTIN", "29ABCDE1234F1Z5"), Fact("PAN", "ABCDE1234F")),
        ),
        "buyer": Party(name="Green Valley Apartments", address=("Hosur Road", "Bengaluru 560068")),
        "heading": "Tax invoice",
        "lines": work,
        "taxes": (
            Tax(name="CGST", rate=Decimal("0.09"), base=base, amount=half),
            Tax(name="SGST", rate=Decimal("0.09"), base=base, amount=half),
        ),
        "rounding": total - exact,
        "total": total,
        "facts": (Fact("Place of supply", "29 Karnataka"), Fact("Reverse charge", "No")),
        "bank": (Fact("Account", "50100123456789"), Fact("IFSC", "HDFC0000123")),
        "code": Code(
            text=documents.upi_link("ravi@okhdfcbank", "Ravi Plumbing Works", amount=total, note="INV 0042"),
            title="Pay by UPI",
            note="Scan with any UPI app. The amount is filled in.",
        ),
        "note": "Thank you for calling us.",
        "terms": "Payment within 14 days. Parts carry the maker's warranty of one year.",
        "look": Look(accent="voice_invoice", logo=logo()),
    }
    return documents.Invoice(**{**given, **changes})  # type: ignore[arg-type]


def certificate(**changes: object) -> documents.Certificate:
    given = {
        "number": "MM-2026-0815",
        "issued_at": WHEN,
        "issued_on": date(2026, 11, 21),
        "issuer": Party(name="Mindmine Academy"),
        "title": "Certificate of contribution",
        "recipient": "Somchai Jaidee",
        "text": "for forty lessons in mathematics for grade nine, reviewed and accepted by the curriculum board.",
        "signer": "Dr. Malee Suksan",
        "signer_role": "Head of curriculum",
        "code": Code(text="https://tillhouse.example/c/MM-2026-0815", title="Check this certificate"),
        "look": Look(accent="mindmine"),
    }
    return documents.Certificate(**{**given, **changes})  # type: ignore[arg-type]


def letter(**changes: object) -> documents.Letter:
    given = {
        "number": "L-77",
        "issued_at": WHEN,
        "issued_on": date(2026, 11, 21),
        "sender": HOUSE,
        "recipient": ASHA,
        "subject": "Your withdrawal of 4 November",
        "greeting": "Dear Asha Rao,",
        "paragraphs": (
            "your bank returned the withdrawal of 4 November because the account number no longer exists.",
            "The money is back in your wallet in full. Please add your new account under Account, Payees, and ask for "
            "the withdrawal again; it then takes one working day.",
        ),
        "closing": "With kind regards,",
        "signer": "Meera Nair",
        "signer_role": "Customer care",
        "look": Look(accent="drivopay", logo=logo()),
    }
    return documents.Letter(**{**given, **changes})  # type: ignore[arg-type]
