"""Pure rules of identity: what an identifier, a code, a token and a password are, and how long a lockout lasts."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import available_timezones

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from tillhouse.kernel.access import Permission, Role
from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.text import N_

AddressKind = Literal["email", "phone"]  # where a message can be sent
IdentifierKind = Literal[AddressKind, "google"]
Purpose = Literal["register", "sign_in", "reset", "link", "step_up"]
PersonRole = Literal["user", "staff", "admin"]
Assurance = Literal[1, 2]

CONSOLE = "identity.console"  # opens the console's frame; modules add their own rights for what their pages show

LOCALES = ("en", "hi", "vi", "th", "he")
DEFAULT_ZONE = "Asia/Kolkata"
DEFAULT_REGION = "IN"

CODE_DIGITS = 6
CODE_LIFE = timedelta(minutes=10)
CODE_TRIES = 5
CODE_SENDS = 3
CODE_PAUSE = timedelta(seconds=30)
OPEN_CHALLENGES = 5  # per identifier and purpose within CODE_LIFE; bounds both messages and guesses

FRESH_FOR = timedelta(minutes=10)
KEY_PREFIX = "till_"
# An account begins with the confirmation of its first address, in one transaction: what is set up within this time
# was set up by whoever began it.
FOUNDING = timedelta(minutes=1)
RECOVERY_CODES = 10

SHORTEST_PASSWORD = 8  # NIST SP 800-63B: length and a list of common ones, no rules of composition
LONGEST_PASSWORD = 128
_COMMON = frozenset(
    [
        "password",
        "passw0rd",
        "password1",
        "password123",
        "12345678",
        "123456789",
        "1234567890",
        "11111111",
        "00000000",
        "87654321",
        "qwertyui",
        "qwerty123",
        "qwertyuiop",
        "iloveyou",
        "sunshine",
        "princess",
        "football",
        "baseball",
        "trustno1",
        "superman",
        "welcome1",
        "welcome123",
        "admin123",
        "india123",
        "abcd1234",
        "abc12345",
        "1q2w3e4r",
        "asdfghjk",
        "letmein1",
        "monkey123",
        "dragon123",
        "tillhouse",
    ]
)


@dataclass(frozen=True, slots=True)
class Identifier:
    """What one person is known by: an e-mail in lower case, a phone number in E.164, or Google's own id of a person."""

    kind: IdentifierKind
    value: str


def parse_identifier(text: str, *, pointer: str = "/identifier") -> Identifier:
    """Read what a person typed into one field. Raises `InvalidInput` saying what is wrong with it."""
    return parse_email(text, pointer=pointer) if "@" in text else parse_phone(text, pointer=pointer)


def parse_email(text: str, *, pointer: str = "/email") -> Identifier:
    """An e-mail address, normalised. The local part is folded too: no provider that matters tells `A@` from `a@`."""
    try:
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        message = N_("Write an e-mail address such as name@example.com.")
        raise InvalidInput(message, errors=[FieldError(pointer, "bad_email", message)]) from None
    return Identifier("email", found.normalized.lower())


def parse_phone(text: str, *, pointer: str = "/phone") -> Identifier:
    """A phone number in E.164; a number without a country code is Indian."""
    try:
        number = phonenumbers.parse(text, DEFAULT_REGION)
        valid = phonenumbers.is_valid_number(number)
    except phonenumbers.NumberParseException:
        valid = False
    if not valid:
        message = N_("Write a mobile number such as 98765 43210, with +country code outside India.")
        raise InvalidInput(message, errors=[FieldError(pointer, "bad_phone", message)])
    return Identifier("phone", str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)))


def check_password(password: str, *, pointer: str = "/password", near: Sequence[str] = ()) -> None:
    """Refuse a password that is too short, too long, common, or one of the words `near` the person."""
    message = None
    if len(password) < SHORTEST_PASSWORD:
        message = N_("Use at least 8 characters.")
    elif len(password) > LONGEST_PASSWORD:
        message = N_("Use at most 128 characters.")
    elif password.lower() in _COMMON or password.lower() in {word.lower() for word in near}:
        message = N_("This password is easy to guess: choose another one.")
    if message:
        raise InvalidInput(message, errors=[FieldError(pointer, "weak_password", message)])


def check_zone(zone: str) -> str:
    """An IANA zone name. Raises `InvalidInput`."""
    if zone not in available_timezones():
        message = N_("Choose a time zone from the list, such as Asia/Kolkata.")
        raise InvalidInput(message, errors=[FieldError("/zone", "bad_zone", message)])
    return zone


def check_locale(locale: str) -> str:
    """A language of the house. Raises `InvalidInput`."""
    if locale not in LOCALES:
        message = N_("Choose one of the languages offered.")
        raise InvalidInput(message, errors=[FieldError("/locale", "bad_locale", message)])
    return locale


def derive_key(secret: str, use: str) -> bytes:
    """A key of its own for each use of the one secret of the house."""
    return hmac.digest(secret.encode(), b"tillhouse identity\0" + use.encode(), "sha256")


def code_of(key: bytes, challenge_id: UUID, purpose: Purpose) -> str:
    """The code that answers a challenge: six digits that follow from the key, so that it is stored nowhere."""
    digest = hmac.digest(key, challenge_id.bytes + purpose.encode(), "sha256")
    return f"{int.from_bytes(digest[:8]) % 10**CODE_DIGITS:0{CODE_DIGITS}d}"


def same(left: str, right: str) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def new_token() -> str:
    """256 random bits for a cookie or the first refresh token of a session."""
    return secrets.token_urlsafe(32)


def next_token(key: bytes, token: str) -> str:
    """The refresh token after `token`: the same one whoever asks, so that two tabs are handed one, stored nowhere."""
    return base64.urlsafe_b64encode(hmac.digest(key, token.encode(), "sha256")).rstrip(b"=").decode()


def new_api_key() -> str:
    """A key for a machine: its prefix lets scanners of leaked secrets find it."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What is stored of a random token. It has 256 bits, so that a fast digest is enough."""
    return hashlib.sha256(token.encode()).digest()


def new_recovery_code() -> str:
    """50 random bits in two groups that can be written down."""
    text = base64.b32encode(secrets.token_bytes(7)).decode().lower()[:10]
    return f"{text[:5]}-{text[5:]}"


def plain_code(text: str) -> str:
    """A code as typed, without the spaces and dashes that people put in."""
    return "".join(text.split()).replace("-", "").lower()


def lockout(failures: int, free: int) -> timedelta:
    """How long to wait after `failures` in a row: nothing for the first `free`, then 30 s doubling to one hour."""
    if failures < free:
        return timedelta()
    return timedelta(seconds=min(30 << min(failures - free, 10), 3600))


def roles_of(role: str) -> frozenset[Role]:
    """An admin is staff too, and everyone is a user."""
    steps: dict[str, frozenset[Role]] = {
        "user": frozenset({"user"}),
        "staff": frozenset({"user", "staff"}),
        "admin": frozenset({"user", "staff", "admin"}),
    }
    return steps[role]


def permissions_of(roles: frozenset[Role], assurance: Assurance, declared: Sequence[Permission]) -> frozenset[str]:
    """What the roles may do now: a permission that asks for a second factor is held only once one was shown."""
    return frozenset(p.name for p in declared if p.roles & roles and p.assurance <= assurance)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which lines of the audit log to list: every field that is given has to match.

    `action` is one, or the beginning of several (`payments.`); `since` is inclusive, `until` exclusive.
    """

    actor_id: UUID | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = AuditFilter()

_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox/", "Firefox"),
             ("Chrome/", "Chrome"), ("Safari/", "Safari"))  # fmt: skip
_SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
            ("Mac OS X", "Mac"), ("Linux", "Linux"))  # fmt: skip


def device_of(user_agent: str) -> str:
    """A browser and system that a person recognises in the list of sessions: "Chrome on Android"."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return " · ".join(part for part in (browser, system) if part) or user_agent.split("/", maxsplit=1)[0][:40] or "?"
