"""The reader's language: gettext catalogues per module, the choice of a language, and sentences in it.

Catalogues are `.po` files (`<module>/locale/<language>/LC_MESSAGES/messages.po`), compiled when the process starts.
English is the language of the source and needs none. Who reads is a context variable, so that templates, macros and
sentences raised deep below all speak the same language without handing it around.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations as Catalogue

Direction = Literal["ltr", "rtl"]
SOURCE = "en"


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the house: its tag, its own name for itself, its direction, its home region."""

    tag: str
    name: str
    direction: Direction
    region: str


LANGUAGES: Mapping[str, Language] = {
    language.tag: language
    for language in (
        Language("en", "English", "ltr", "IN"),
        Language("hi", "हिन्दी", "ltr", "IN"),
        Language("vi", "Tiếng Việt", "ltr", "VN"),
        Language("th", "ไทย", "ltr", "TH"),
        Language("he", "עברית", "rtl", "IL"),
    )
}


class Translations:
    """All catalogues of a process, one merged catalogue per language. On a clash the module named first wins."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        """Read `<folder>/<language>/LC_MESSAGES/messages.po` of every module in `folders` (module name → `locale/`)."""
        self._catalogues = {tag: _merged(tag, _stamped(tag, folders.values())) for tag in LANGUAGES}

    def gettext(self, language: str, message: str) -> str:
        catalogue = self._catalogues.get(language)
        return catalogue.ugettext(message) if catalogue else message

    def ngettext(self, language: str, one: str, many: str, count: int) -> str:
        catalogue = self._catalogues.get(language)
        return catalogue.ungettext(one, many, count) if catalogue else (one if count == 1 else many)


def _stamped(tag: str, folders: Iterable[Path]) -> tuple[tuple[Path, int], ...]:
    """The catalogues of a language that exist, each with the time it was written."""
    paths = (folder / tag / "LC_MESSAGES" / "messages.po" for folder in folders)
    return tuple((path, path.stat().st_mtime_ns) for path in paths if path.is_file())


@cache  # a process that builds the house more than once reads its words once
def _merged(tag: str, stamped: tuple[tuple[Path, int], ...]) -> Catalogue | None:
    merged: Catalogue | None = None
    for path, _ in reversed(stamped):
        compiled = io.BytesIO()
        with path.open("rb") as source:
            write_mo(compiled, read_po(source, locale=tag))
        compiled.seek(0)
        catalogue = Catalogue(compiled)
        if merged is None:
            merged = catalogue
        else:
            merged.merge(catalogue)  # the later one wins
    return merged


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: language, region (for formats), IANA zone, and the catalogues to read from."""

    language: Language = LANGUAGES[SOURCE]
    zone: str = "UTC"
    region: str | None = None
    translations: Translations | None = field(default=None, repr=False)

    @property
    def locale(self) -> Locale:
        """The Babel locale for formats: language and region where CLDR has the pair, else the language at home."""
        return _locale(self.language.tag, self.region or self.language.region)

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


@cache
def _locale(language: str, region: str) -> Locale:
    try:
        return Locale(language, region)
    except UnknownLocaleError:
        return Locale(language)


_reader: ContextVar[Reader] = ContextVar("reader", default=Reader())  # noqa: B039  frozen


def reader() -> Reader:
    """Who reads what is being written now; an English reader in UTC where nobody said."""
    return _reader.get()


def speak_to(who: Reader) -> None:
    """Speak to `who` for the rest of this request: `reading`, which surrounds it, ends that too."""
    _reader.set(who)


@contextmanager
def reading(who: Reader) -> Iterator[None]:
    """Speak to `who` while the block runs."""
    token = _reader.set(who)
    try:
        yield
    finally:
        _reader.reset(token)


def gettext(message: str, **fields: object) -> str:
    """`message` in the reader's language, its `{named}` fields filled in."""
    who = _reader.get()
    translated = who.translations.gettext(who.language.tag, message) if who.translations else message
    return translated.format(**fields) if fields else translated


def plural(one: str, many: str, count: int) -> str:
    """The form of a sentence that fits `count` in the reader's language, its fields still to be filled in."""
    who = _reader.get()
    if who.translations:
        return who.translations.ngettext(who.language.tag, one, many, count)
    return one if count == 1 else many


def ngettext(one: str, many: str, count: int, **fields: object) -> str:
    """The form of a sentence that fits `count`, in the reader's language; `{count}` is filled in."""
    return plural(one, many, count).format(count=count, **fields)


class lazy:  # noqa: N801  used like a function
    """A sentence that is translated when it is shown, for module level: `TITLE = lazy("Add money")`."""

    __slots__ = ("_fields", "_message")

    def __init__(self, message: str, **fields: object) -> None:
        self._message, self._fields = message, fields

    def __str__(self) -> str:
        return gettext(self._message, **self._fields)


_ACCEPTED = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")


def choose_language(
    *,
    asked: str | None = None,
    cookie: str | None = None,
    personal: str | None = None,
    accept: str | None = None,
    default: str = SOURCE,
    offered: Sequence[str] = tuple(LANGUAGES),
) -> Language:
    """The language to answer in: asked for in the address, then the cookie, the person's setting, the browser's list.

    Anything that is not in `offered` is passed over.
    """
    for tag in (asked, cookie, personal, *_accepted(accept or "")):
        if tag and tag in offered and tag in LANGUAGES:
            return LANGUAGES[tag]
    return LANGUAGES[default]


def _accepted(header: str) -> list[str]:
    """The primary tags of an Accept-Language header, most wanted first. Malformed parts are ignored."""
    found = [match for part in header.split(",")[:20] if (match := _ACCEPTED.fullmatch(part))]
    weighed = [(float(match[2] or 1), match[1].lower()) for match in found]
    return [tag for weight, tag in sorted(weighed, key=lambda pair: -pair[0]) if weight > 0]
