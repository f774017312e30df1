from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import tillhouse.kernel
from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.kernel.web import formats, render
from tillhouse.kernel.web.catalogues import sentences, untranslated, update
from tillhouse.kernel.web.i18n import (
    LANGUAGES,
    Reader,
    Translations,
    choose_language,
    gettext,
    lazy,
    ngettext,
    reading,
)

KERNEL = Path(tillhouse.kernel.__file__).parent
CATALOGUES = Translations({"kernel": render.LOCALE})


def _reader(tag: str, zone: str = "Asia/Kolkata") -> Reader:
    return Reader(LANGUAGES[tag], zone, translations=CATALOGUES)


@pytest.mark.parametrize("language", ["hi", "vi", "th", "he"])
def test_every_sentence_of_the_kernel_is_translated(language: str) -> None:
    assert len(sentences(KERNEL)) > 90
    assert list(untranslated(KERNEL, render.LOCALE, language)) == []


@pytest.mark.parametrize("language", ["hi", "vi", "th", "he"])
def test_a_translation_keeps_the_fields_of_its_sentence(language: str) -> None:
    fields = {"seconds": 5, "unit": "X", "min_length": 5, "gt": 3, "provider": "P"}
    with reading(_reader(language)):
        for message in sentences(KERNEL):
            if isinstance(message.id, str) and "{" in message.id:
                names = {name for name in fields if "{" + name + "}" in message.id}
                assert all("{" + name + "}" in gettext(message.id) for name in names)


def test_a_sentence_that_no_catalogue_has_is_found(tmp_path: Path) -> None:
    (tmp_path / "pages.py").write_text('from x import gettext\ngettext("Quite new")\n')
    assert list(untranslated(tmp_path, tmp_path / "locale", "hi")) == ["Quite new"]
    update(tmp_path, tmp_path / "locale")
    assert 'msgid "Quite new"\nmsgstr ""' in (tmp_path / "locale/hi/LC_MESSAGES/messages.po").read_text()
    assert list(untranslated(tmp_path, tmp_path / "locale", "hi")) == ["Quite new"]


def test_the_module_named_first_wins_a_clash(tmp_path: Path) -> None:
    for module, word in (("first", "erstes"), ("second", "zweites")):
        folder = tmp_path / module / "hi/LC_MESSAGES"
        folder.mkdir(parents=True)
        (folder / "messages.po").write_text(f'msgid "Word"\nmsgstr "{word}"\n')
    both = Translations({"first": tmp_path / "first", "second": tmp_path / "second"})
    assert both.gettext("hi", "Word") == "erstes"
    assert both.gettext("en", "Word") == "Word"


def test_a_lazy_sentence_speaks_to_whoever_reads_it() -> None:
    title = lazy("Sign in")
    assert str(title) == "Sign in"
    with reading(_reader("hi")):
        assert str(title) == "साइन इन करें"


def test_the_plural_form_follows_the_count() -> None:
    assert [ngettext("{count} trip", "{count} trips", n) for n in (0, 1, 2)] == ["0 trips", "1 trip", "2 trips"]


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"asked": "he", "cookie": "hi", "personal": "vi", "accept": "th"}, "he"),
        ({"cookie": "hi", "personal": "vi", "accept": "th"}, "hi"),
        ({"personal": "vi", "accept": "th"}, "vi"),
        ({"accept": "fr-FR, th;q=0.4, hi-IN;q=0.9"}, "hi"),
        ({"accept": "hi;q=0, *"}, "en"),
        ({"asked": "xx", "accept": "\x00;q=z,,,"}, "en"),
        ({}, "en"),
    ],
)
def test_the_nearest_wish_decides_the_language(wishes: dict[str, str], expected: str) -> None:
    assert choose_language(**wishes).tag == expected


@pytest.mark.parametrize(
    ("tag", "amount", "expected"),
    [
        ("en", Money(1_23_456_78, "INR"), "₹1,23,456.78"),
        ("hi", Money(1_23_456_78, "INR"), "₹1,23,456.78"),
        ("en", Money(-5, "INR"), "-₹0.05"),
        # CLDR groups by the reader's language and region, whatever the currency.
        ("en", Money(1_250_000, "VND"), "₫12,50,000"),
        ("hi", Money(1_250_000, "VND"), "₫12,50,000"),
        ("vi", Money(1_500_000, "VND"), "1.500.000\u00a0₫"),
        ("th", Money(150_050, "THB"), "฿1,500.50"),
        ("en", Money(150_050, "THB"), "THB\u00a01,500.50"),
        ("he", Money(-150_050, "INR"), "\u2066-1,500.50\u00a0₹\u2069"),
        # The largest amount the database holds: a float would have lost its last digits.
        ("en", Money(2**63 - 1, "INR"), "₹92,23,37,20,36,85,47,758.07"),
    ],
)
def test_money_is_exact_and_grouped_as_its_readers_group_it(tag: str, amount: Money, expected: str) -> None:
    with reading(_reader(tag)):
        assert formats.money(amount) == expected


@pytest.mark.parametrize(
    ("language", "typed", "unit", "read"),
    [
        ("en", "1,23,456.78", "INR", "123456.78"),
        ("en", "1,234", "USD", "1234"),
        ("en", " 1 234.5 ", "USD", "1234.5"),
        ("vi", "449.000", "VND", "449000"),
        ("vi", "449000", "VND", "449000"),
        ("vi", "1.234,56", "USD", "1234.56"),
        ("vi", "12,50", "USD", "12.50"),
    ],
)
def test_an_amount_may_be_typed_as_it_is_shown(language: str, typed: str, unit: str, read: str) -> None:
    with reading(_reader(language)):
        assert Money.parse(formats.typed(typed, unit), unit) == Money.parse(read, unit)


@pytest.mark.parametrize(
    ("language", "typed", "unit"),
    [
        ("en", "12,50", "USD"),
        ("en", "1,2345", "USD"),
        ("en", ",5", "USD"),
        ("vi", "1,5.3", "USD"),
        ("en", "460.000", "VND"),
        ("en", "1.000", "THB"),
    ],
)
def test_an_amount_that_is_grouped_like_none_is_refused_and_taken_for_no_other(
    language: str, typed: str, unit: str
) -> None:
    with reading(_reader(language)), pytest.raises(InvalidInput):
        Money.parse(formats.typed(typed, unit), unit)


def test_who_reads_english_elsewhere_groups_by_thousands_and_rupees_by_lakhs() -> None:
    with reading(replace(_reader("en"), region="GB")):
        assert formats.money(Money(1_250_000, "VND")) == "₫1,250,000"
        assert formats.money(Money(1_23_456_78, "INR")) == "₹1,23,456.78"


def test_a_movement_shows_its_sign() -> None:
    shown = [formats.money(Money(minor, "INR"), sign=True) for minor in (500, 0, -500)]
    assert shown == ["+₹5.00", "₹0.00", "-₹5.00"]


def test_an_instant_is_shown_in_the_readers_zone() -> None:
    evening = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
    with reading(_reader("en", "Asia/Kolkata")):
        assert formats.day(evening) == "21 Nov 2026"
        assert formats.moment(evening) == "21 Nov 2026, 1:30\u202fam"
    with reading(_reader("hi", "UTC")):
        assert formats.day(evening) == "20 नव॰ 2026"


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        formats.moment(datetime(2026, 11, 20, 20, 0))  # noqa: DTZ001  the mistake under test


def test_times_nearby_are_relative_and_old_ones_are_dates() -> None:
    now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    assert formats.relative(now - timedelta(minutes=5), now) == "5 minutes ago"
    assert formats.relative(now + timedelta(days=2), now) == "in 2 days"
    assert formats.relative(now - timedelta(days=90), now) == "23 Aug 2026"


def test_numbers_and_days_read_naturally() -> None:
    assert formats.number(1234567) == "12,34,567"
    assert formats.percent(Decimal("0.125"), digits=1) == "12.5%"
    assert formats.short_day(date(2026, 11, 21)) == "21 Nov"
    assert formats.weekday(date(2026, 11, 21)) == "Sat"
