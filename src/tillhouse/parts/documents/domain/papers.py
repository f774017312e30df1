"""What stands on a paper: frozen, typed, and refused (`ValueError`) where its sums do not agree.

Amounts are `Money`, instants are aware, days are dates. Text is what people wrote, in any language; the words of the
papers themselves are the house's and are translated when it is printed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from tillhouse.kernel.money import Money

Relationship = Literal["source", "data", "alternative", "supplement"]
MOST_LINES = 5_000  # of one paper: about 150 pages


@dataclass(frozen=True, slots=True)
class Fact:
    """A line with a name: `Fact("GSTIN", "29ABCDE1234F1Z5")`. Both are printed as they are."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Someone on a paper: `address` line by line, `facts` such as tax numbers."""

    name: str
    address: Sequence[str] = ()
    facts: Sequence[Fact] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a paper looks: the accent of a product of the house, and a logo (PNG, JPEG or WebP) where there is one."""

    accent: str = "house"
    logo: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A QR code on a paper: what it says, and what a person should know of it."""

    text: str
    title: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What was sold. `amount` is what the line adds to the sum before tax; the rest explains it."""

    title: str
    amount: Money
    detail: str = ""
    code: str = ""
    quantity: Decimal | None = None
    unit: str = ""
    price: Money | None = None
    tax_rate: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """A tax in the table of taxes: `rate` is a ratio (`Decimal("0.09")`), `base` what it was taken of."""

    name: str
    rate: Decimal
    base: Money
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file inside the PDF (PDF/A-3), as Factur-X carries its XML: `relationship` is PDF's AFRelationship."""

    name: str
    media_type: str
    relationship: Relationship
    description: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """That money was received. `lines` and `taxes` may be left out where a title says enough.

    `returned` is what has been given back since: it is shown, and what remains.
    """

    number: str
    issued_at: datetime
    paid_at: datetime
    issuer: Party
    payer: Party
    title: str
    amount: Money
    method: str = ""
    lines: Sequence[Line] = ()
    taxes: Sequence[Tax] = ()
    returned: Money | None = None
    facts: Sequence[Fact] = ()
    note: str = ""
    code: Code | None = None
    look: Look = field(default_factory=Look)

    def __post_init__(self) -> None:
        _aware(self.issued_at, self.paid_at)
        _not_too_many(self.lines)
        if self.lines:
            _adds_up("a receipt", self.amount, _amounts(self.lines), _amounts(self.taxes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A movement of a statement: `amount` has a sign, `balance` is what was there afterwards."""

    at: datetime
    title: str
    amount: Money
    balance: Money
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The movements of an account from `first` to `last`, both included, the oldest first."""

    number: str
    issued_at: datetime
    issuer: Party
    holder: Party
    account: str
    first: date
    last: date
    opening: Money
    closing: Money
    entries: Sequence[Entry]
    facts: Sequence[Fact] = ()
    note: str = ""
    look: Look = field(default_factory=Look)

    def __post_init__(self) -> None:
        _aware(self.issued_at, *(entry.at for entry in self.entries))
        _not_too_many(self.entries)
        balance = self.opening
        for entry in self.entries:
            balance += entry.amount
            if balance != entry.balance:
                raise ValueError(
                    f"a statement does not add up at {entry.at:%Y-%m-%d}: {balance} is not {entry.balance}"
                )
        if balance != self.closing:
            raise ValueError(f"a statement does not add up: {balance} is not {self.closing}")

    @property
    def money_in(self) -> Money:
        """All that came in."""
        return _sum(self.opening.unit, (entry.amount for entry in self.entries if entry.amount.minor > 0))

    @property
    def money_out(self) -> Money:
        """All that went out, above zero."""
        return -_sum(self.opening.unit, (entry.amount for entry in self.entries if entry.amount.minor < 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """What is asked for. `subtotal − discount + taxes + rounding = total`, and `total − paid` is due.

    `heading` replaces the word "Invoice" where a law wants its own ("Tax invoice", "Credit note"). `code` is the QR
    code to pay by; `facts` stand beside number and dates, `bank` says where to pay to.
    """

    number: str
    issued_at: datetime
    issued_on: date
    seller: Party
    buyer: Party
    lines: Sequence[Line]
    total: Money
    heading: str = ""
    due_on: date | None = None
    discount: Money | None = None
    taxes: Sequence[Tax] = ()
    rounding: Money | None = None
    paid: Money | None = None
    facts: Sequence[Fact] = ()
    bank: Sequence[Fact] = ()
    code: Code | None = None
    note: str = ""
    terms: str = ""
    draft: bool = False
    look: Look = field(default_factory=Look)

    def __post_init__(self) -> None:
        _aware(self.issued_at)
        _not_too_many(self.lines)
        taken = [-self.discount] if self.discount else []
        rounded = [self.rounding] if self.rounding else []
        _adds_up("an invoice", self.total, _amounts(self.lines), taken, _amounts(self.taxes), rounded)

    @property
    def subtotal(self) -> Money:
        """The lines together, before discount and tax."""
        return _sum(self.total.unit, _amounts(self.lines))

    @property
    def due(self) -> Money:
        """What is still to be paid; nothing less than zero."""
        open_still = self.total - self.paid if self.paid else self.total
        return open_still if open_still.minor > 0 else Money(0, self.total.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """That something is so: `recipient` in large letters, `text` says what. `code` leads to where it can be checked."""

    number: str
    issued_at: datetime
    issued_on: date
    issuer: Party
    title: str
    recipient: str
    text: str
    signer: str = ""
    signer_role: str = ""
    facts: Sequence[Fact] = ()
    code: Code | None = None
    look: Look = field(default_factory=Look)

    def __post_init__(self) -> None:
        _aware(self.issued_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter: `paragraphs` between `greeting` and `closing`."""

    issued_at: datetime
    issued_on: date
    sender: Party
    recipient: Party
    subject: str
    paragraphs: Sequence[str]
    greeting: str = ""
    closing: str = ""
    signer: str = ""
    signer_role: str = ""
    number: str = ""
    facts: Sequence[Fact] = ()
    look: Look = field(default_factory=Look)

    def __post_init__(self) -> None:
        _aware(self.issued_at)
        _not_too_many(self.paragraphs)


def _amounts(lines: Iterable[Line | Tax]) -> list[Money]:
    return [line.amount for line in lines]


def _sum(unit: str, amounts: Iterable[Money]) -> Money:
    return sum(amounts, start=Money(0, unit))


def _adds_up(what: str, total: Money, *amounts: Iterable[Money]) -> None:
    """Raise `ValueError` when the amounts do not make the total: a paper with a wrong sum is never printed."""
    found = _sum(total.unit, (one for some in amounts for one in some))
    if found != total:
        raise ValueError(f"{what} does not add up: its parts make {found} {found.unit}, its total says {total}")


def _aware(*instants: datetime) -> None:
    if any(one.tzinfo is None for one in instants):
        raise ValueError("an instant needs its zone")


def _not_too_many(lines: Sequence[object]) -> None:
    if len(lines) > MOST_LINES:
        raise ValueError(f"a paper has at most {MOST_LINES} lines, not {len(lines)}")
