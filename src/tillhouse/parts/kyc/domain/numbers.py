"""Numbers of identity documents: how they are written, and what can be told from one without asking anybody.

PAN: AAAAA9999A; the fourth letter is the kind of holder, the fifth the first letter of a person's surname or of an
organisation's name (Income Tax Department). Thai national ID: 13 digits, the last by weights 13…2 modulo 11. GSTIN:
state, PAN, entity, Z, and a check character over base 36.
"""

import re
import unicodedata
from datetime import date

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.text import N_
from tillhouse.parts.kyc.domain import Details, Finding, IdKind, OwnerKind

_PAN = re.compile(r"[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]")
_GSTIN = re.compile(r"(0[1-9]|[12][0-9]|3[0-8]|97|99)[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z]")
_PASSPORT = re.compile(r"[A-Z0-9]{6,12}")
_REGISTRATION = re.compile(r"[A-Z0-9/-]{4,30}")
_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OLDEST = 120
_OF_AGE = 18

_HINTS: dict[IdKind, str] = {
    "pan": N_("A PAN has five letters, four digits and a letter, such as ABCPK1234D. Check it against the card."),
    "thai_id": N_("A Thai ID has 13 digits, and this is not one: a digit is wrong. Check it against the card."),
    "gstin": N_("This is no GSTIN: a letter or digit is wrong. Check it against the certificate."),
    "passport": N_("A passport number has 6 to 12 letters and digits."),
    "registration": N_("A registration number has 4 to 30 letters and digits."),
}
_COUNTRY_OF: dict[str, str] = {"pan": "IN", "gstin": "IN", "thai_id": "TH"}


def plain_number(text: str) -> str:
    """A number without what people write between its parts."""
    return re.sub(r"[\s.\u2010-\u2015]", "", text).upper()


def tidy(details: Details, owner_kind: OwnerKind, today: date) -> Details:
    """The details as they are kept. Raises `InvalidInput` naming each field that cannot be right."""
    name = " ".join(details.name.split())
    number = plain_number(details.id_number)
    if details.id_kind in ("pan", "gstin", "thai_id", "passport"):
        number = number.replace("-", "")
    wrong = []
    if len(name) < 2:
        wrong.append(FieldError("/name", "too_short", N_("Write the name as it is on the document.")))
    if not well_formed(details.id_kind, number):
        wrong.append(FieldError("/id_number", "bad_number", _HINTS[details.id_kind]))
    if _COUNTRY_OF.get(details.id_kind, details.country) != details.country:
        message = N_("This document belongs to another country: choose the country that issued it.")
        wrong.append(FieldError("/country", "wrong_country", message))
    wrong += _wrong_date(details.birth_date, owner_kind, today)
    if wrong:
        raise InvalidInput(N_("Some fields need another look."), errors=wrong)
    return Details(
        name=name,
        birth_date=details.birth_date,
        country=details.country,
        id_kind=details.id_kind,
        id_number=number,
    )


def well_formed(kind: IdKind, number: str) -> bool:
    """Whether a number can exist at all."""
    match kind:
        case "pan":
            return _PAN.fullmatch(number) is not None
        case "thai_id":
            return is_thai_id(number)
        case "gstin":
            return is_gstin(number)
        case "passport":
            return _PASSPORT.fullmatch(number) is not None
        case "registration":
            return _REGISTRATION.fullmatch(number) is not None


def is_thai_id(number: str) -> bool:
    """Thirteen digits, the last of which follows from the others."""
    if not re.fullmatch(r"[0-8][0-9]{12}", number):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number[:12], range(13, 1, -1), strict=True))
    return (11 - total % 11) % 10 == int(number[12])


def is_gstin(number: str) -> bool:
    """Fifteen characters, the last of which follows from the others."""
    if not _GSTIN.fullmatch(number):
        return False
    total = 0
    for place, character in enumerate(number[:14]):
        product = _BASE36.index(character) * (1 + place % 2)
        total += product // 36 + product % 36
    return _BASE36[-total % 36] == number[14] and _PAN.fullmatch(number[2:12]) is not None


def check_pan(number: str, name: str, owner_kind: OwnerKind) -> Finding:
    """What the letters of a well-formed PAN say of its holder."""
    if (number[3] == "P") != (owner_kind == "person"):
        return Finding("pan", "failed", "wrong_holder")
    words = _latin_words(name)
    if not words:
        return Finding("pan", "unsure", "not_latin")
    expected = words[-1] if owner_kind == "person" else words[0]
    if expected[0] == number[4]:
        return Finding("pan", "well_formed", "name_fits")
    if any(word[0] == number[4] for word in words):
        return Finding("pan", "unsure", "name_order")
    return Finding("pan", "failed", "name_initial")


def _latin_words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().upper()
    return re.findall(r"[A-Z]+", plain)


def _wrong_date(day: date, owner_kind: OwnerKind, today: date) -> list[FieldError]:
    if day > today or day.year < today.year - _OLDEST:
        return [FieldError("/birth_date", "bad_date", N_("This day cannot be right: check the year."))]
    if owner_kind == "person" and age(day, today) < _OF_AGE:
        return [FieldError("/birth_date", "under_age", N_("You have to be 18 or older."))]
    return []


def age(born: date, today: date) -> int:
    """Whole years between two days."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
