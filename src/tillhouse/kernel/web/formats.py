"""Money, numbers and times as the reader writes them. Exact: integers and `Decimal` in, text out, no float between."""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal, Protocol

from babel import Locale
from babel.core import UnknownLocaleError
from babel.dates import format_date, format_time, format_timedelta
from babel.numbers import (
    format_compact_decimal,
    format_currency,
    format_decimal,
    format_percent,
    get_decimal_symbol,
    get_group_symbol,
    is_currency,
)

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject, JsonValue
from tillhouse.kernel.money import Money, digits_shown, too_precise
from tillhouse.kernel.web.i18n import gettext, reader

# Where a currency without a sign of its own meets its number: CLDR has a space there, which Babel leaves out.
_LETTERS_AT_A_DIGIT = re.compile(r"(?<=[A-Za-z]{2})(?=\d)")

_GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{2,3})*,[0-9]{3}")

# Codes of CLDR that are no country: unions, a zone, pretended languages, an unknown place.
_NO_COUNTRIES = frozenset({"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"})

Length = Literal["short", "medium", "long", "full"]


class MoneyLike(Protocol):
    """An amount: an integer number of minor units of a unit."""

    @property
    def minor(self) -> int: ...
    @property
    def unit(self) -> str: ...


def money(amount: MoneyLike, *, sign: bool = False) -> str:
    """`₹1,23,456.78`: the amount with its currency. `sign` writes a plus too, for movements.

    Points and credits are numbers with the unit's name, which a catalogue may translate.
    """
    digits = digits_shown(amount.unit)
    major = Decimal(amount.minor).scaleb(-digits)
    if is_currency(amount.unit):
        text = format_currency(major, amount.unit, locale=_money_locale(amount.unit))
        text = _LETTERS_AT_A_DIGIT.sub("\u00a0", text)
    else:
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        text = f"{format_decimal(major, format=pattern, locale=reader().locale)}\u00a0{gettext(amount.unit)}"
    text = f"+{text}" if sign and amount.minor > 0 else text
    return _isolated(text) if reader().language.direction == "rtl" else text


def typed(amount: str, unit: str) -> str:
    """What somebody typed as an amount, as `Money.parse` reads it; grouped or not, as amounts are shown to the reader.

    What is grouped otherwise stays as it is, and is refused there: `12,50` taken for 1250 would be a hundred times as
    much. Raises `InvalidInput` for more digits after the point than the unit has, zeros too: `460.000` is how half the
    world writes a thousand times as much as it says.
    """
    locale = _money_locale(unit)
    plain, group = "".join(amount.split()), get_group_symbol(locale)
    whole, point, rest = plain.partition(get_decimal_symbol(locale))
    if len(rest) > digits_shown(unit):
        raise too_precise()
    if group in whole:
        if not _GROUPED.fullmatch(whole.replace(group, ",")):
            return plain
        whole = whole.replace(group, "")
    return f"{whole}.{rest}" if point else whole


def to_be_said(value: MoneyLike | date) -> JsonObject:
    """An amount or a date in the data of a message, for `said` to write in the language of whoever reads it."""
    if isinstance(value, date):
        return {"day": value.isoformat()}
    return {"minor": value.minor, "unit": value.unit}


def said(value: JsonValue) -> object:
    """A value of a message's data as the reader writes it: an amount, a date, anything else as it is."""
    if isinstance(value, dict) and set(value) == {"minor", "unit"}:
        return money(Money(int(str(value["minor"])), str(value["unit"])))
    if isinstance(value, dict) and set(value) == {"day"}:
        return day(date.fromisoformat(str(value["day"])))
    return value


_BIDI_MARKS = str.maketrans("", "", "\u200e\u200f")


def _isolated(amount: str) -> str:
    """An amount as a left-to-right island: in a line that runs the other way its sign would end up behind it."""
    return f"\u2066{amount.translate(_BIDI_MARKS)}\u2069"


def _money_locale(unit: str) -> Locale:
    """Grouping is the reader's, whatever the currency (CLDR): in India `₫12,50,000`, elsewhere `₫1,250,000`. Rupees are
    grouped the Indian way for whoever reads English or Hindi, wherever they are.
    """
    who = reader()
    if unit == "INR" and who.language.tag in ("en", "hi"):
        return Locale(who.language.tag, "IN")
    return who.locale


def currency_symbol(unit: str) -> str:
    """`₹` for INR: what stands before an amount that is being typed. The unit itself where there is no symbol."""
    if not is_currency(unit):
        return unit
    try:
        return str(Locale("en", "IN").currency_symbols.get(unit, unit))
    except UnknownLocaleError:
        return unit


def number(value: int | Decimal, *, digits: int | None = None) -> str:
    """A plain number, with exactly `digits` after the point when given."""
    pattern = None if digits is None else "#,##0" + ("." + "0" * digits if digits else "")
    return format_decimal(value, format=pattern, locale=reader().locale)


def compact(value: int | Decimal) -> str:
    """A number to be taken in at a glance: `12K`, `1.2L` where lakhs are counted."""
    return format_compact_decimal(Decimal(value), locale=reader().locale, fraction_digits=1)


def percent(value: Decimal, *, digits: int = 0) -> str:
    """A ratio as a percentage: `Decimal("0.125")` → `13%`, with `digits=1` → `12.5%`."""
    return format_percent(value, format="#,##0" + ("." + "0" * digits if digits else "") + "%", locale=reader().locale)


def day(value: date | datetime, length: Length = "medium") -> str:
    """The day of a date, or of an instant in the reader's zone."""
    if isinstance(value, datetime):
        value = _aware(value).astimezone(reader().tz).date()
    return format_date(value, format=length, locale=reader().locale)


def moment(value: datetime, length: Length = "medium") -> str:
    """Day and time of an instant in the reader's zone, to the minute. Raises `ValueError` for a naive one."""
    local = _aware(value).astimezone(reader().tz)
    return f"{day(value, length)}, {format_time(local, format='short', locale=reader().locale)}"


def time_of_day(value: datetime) -> str:
    """The time alone, in the reader's zone."""
    return format_time(_aware(value).astimezone(reader().tz), format="short", locale=reader().locale)


def weekday(value: date, *, short: bool = True) -> str:
    """`Mon`, or `Monday`: for axes and calendars."""
    return format_date(value, "EEE" if short else "EEEE", locale=reader().locale)


def short_day(value: date) -> str:
    """`21 Nov`: a day of this year, for axes and lists."""
    pattern = "MMM d" if reader().locale.territory == "US" else "d MMM"
    return format_date(value, format=pattern, locale=reader().locale)


def relative(value: datetime, now: datetime | None = None) -> str:
    """`5 minutes ago`, `in 2 days`; from a month on, the date itself."""
    away = _aware(value) - (now or clock.now())
    if abs(away) >= timedelta(days=30):
        return day(value)
    return format_timedelta(away, granularity="second", threshold=0.85, add_direction=True, locale=reader().locale)


def country(code: str) -> str:
    """The name of a country by its two letters; the letters themselves where nobody knows them."""
    return str(reader().locale.territories.get(code, code))


def countries() -> list[tuple[str, str]]:
    """Every country as its two letters and name, by name."""
    known = (str(code) for code in reader().locale.territories)
    codes = [code for code in known if len(code) == 2 and code not in _NO_COUNTRIES]
    return sorted(((code, country(code)) for code in codes), key=lambda one: one[1])


def iso(value: datetime | date) -> str:
    """For `<time datetime>`."""
    return value.isoformat()


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("an instant needs its zone")
    return value


FILTERS = {
    "money": money,
    "number": number,
    "compact": compact,
    "percent": percent,
    "day": day,
    "moment": moment,
    "time_of_day": time_of_day,
    "weekday": weekday,
    "short_day": short_day,
    "relative": relative,
    "country": country,
    "iso": iso,
}
