"""Organisations: who may do what in one, and what one may be called.

owner       everything, and closing it; there is always at least one, and all are told of money that goes out
admin       people below admins, invitations, the name, and paying the money out
accountant  reads the money
member      belongs to it
"""

import re
import unicodedata
from datetime import timedelta
from enum import StrEnum

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.text import N_


class Role(StrEnum):
    """What a member is to an organisation, from the most to the least."""

    OWNER = "owner"
    ADMIN = "admin"
    ACCOUNTANT = "accountant"
    MEMBER = "member"


MANAGERS = frozenset({Role.OWNER, Role.ADMIN})
MONEY_READERS = frozenset({Role.OWNER, Role.ADMIN, Role.ACCOUNTANT})
MONEY_MOVERS = frozenset({Role.OWNER, Role.ADMIN})

INVITATION_LIFE = timedelta(days=7)
INVITATION_PAUSE = timedelta(minutes=2)  # between two messages of one invitation
MOST_ORGANISATIONS = 20  # that one person owns
MOST_INVITATIONS = 50  # that wait in one organisation
MOST_MEMBERS = 500

_BELOW_ADMINS = frozenset({Role.ACCOUNTANT, Role.MEMBER})
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,38})[a-z0-9]")
_COUNTRY = re.compile(r"[A-Z]{2}")
_ADDRESS = re.compile(r"://|www\.|@|\.[a-z]{2,}\b", re.IGNORECASE)


def may_manage(actor: Role, *roles: Role) -> bool:
    """Whether `actor` may give, change or take away all of these roles. Admins do so below admins alone."""
    return actor == Role.OWNER or (actor == Role.ADMIN and set(roles) <= _BELOW_ADMINS)


def tidy_organisation_name(text: str) -> str:
    """A name as it is shown. It stands in messages to strangers, so it holds no address. Raises `InvalidInput`."""
    name = " ".join("".join(c for c in text if unicodedata.category(c)[0] != "C" or c == " ").split())
    if not 2 <= len(name) <= 80:
        raise _wrong("/name", "bad_name", N_("Use 2 to 80 characters."))
    if _ADDRESS.search(name):
        raise _wrong("/name", "address_in_name", N_("A name holds no web or e-mail address: leave it out."))
    return name


def check_slug(text: str) -> str:
    """A short name for addresses. Raises `InvalidInput`."""
    slug = text.strip().lower()
    if not _SLUG.fullmatch(slug) or "--" in slug:
        raise _wrong(
            "/slug", "bad_slug", N_("Use 3 to 40 small letters, digits and single hyphens, such as rao-and-sons.")
        )
    return slug


def slugs_from(name: str, number: str) -> tuple[str, ...]:
    """Short names made from the name, the nicest first; `number` is in the last one, so that it is free."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:30].strip("-")
    return (slug, f"{slug}-{number}") if len(slug) >= 3 else (f"org-{number}",)


def check_country(text: str) -> str:
    """A country by its two letters (ISO 3166-1). Raises `InvalidInput`."""
    country = text.strip().upper()
    if not _COUNTRY.fullmatch(country):
        raise _wrong("/country", "bad_country", N_("Write a country by its two letters, such as IN."))
    return country


def _wrong(pointer: str, code: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[FieldError(pointer, code, message)])
