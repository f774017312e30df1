"""Whatever people write is made printable, and nothing in it steers."""

import unicodedata

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from tillhouse.kernel.web.i18n import LANGUAGES
from tillhouse.parts.documents.domain.text import REPLACEMENT, isolated, printable, short
from tillhouse.parts.documents.providers.typst.fonts import FOLDER, characters_of

HAS = characters_of(FOLDER).__contains__


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Asha\u202e oaR", "Asha oaR"),
        ("a\x00b\x07c\x7f", "abc"),
        ("one\r\ntwo\u2028three\x0bfour", "one\ntwo\nthree\nfour"),
        ("tab\tbed", "tab bed"),
        ("e\u0302\u0323", "ệ"),
        ("क्\u200dष", "क्\u200dष"),
        ("\ufeffBOM\u200b", "BOM"),
        ("\ud800half", "half"),
        ("private \ue000", "private "),
        ("❤️", REPLACEMENT),
        ("漢字", REPLACEMENT * 2),
        ("*bold* #read() $x$ `raw` <b> @ref", "*bold* #read() $x$ `raw` <b> @ref"),
    ],
)
def test_a_text_is_shown_as_it_is_but_for_what_cannot_be(written: str, shown: str) -> None:
    assert printable(written, HAS) == shown


def test_long_words_may_be_broken_and_thai_and_short_ones_are_left_alone() -> None:
    long = "x" * 40
    assert printable(long, HAS).replace("\u200b", "") == long
    assert max(map(len, printable(long, HAS).split("\u200b"))) <= 15
    thai = "ใบเสร็จรับเงินนี้ออกให้เพื่อเป็นหลักฐานว่าได้รับชำระเงิน"
    assert printable(thai, HAS) == thai
    assert printable("antidisestablishmentarianism", HAS) == "antidisestablishmentarianism"


@given(st.text(max_size=200))
def test_what_is_printable_stays_so_and_has_nothing_a_font_lacks(text: str) -> None:
    shown = printable(text, HAS)
    assert all(HAS(one) or one in "\n\u200b\u200c\u200d" for one in shown)
    assert not any(unicodedata.bidirectional(one) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI") for one in shown)
    assert printable(shown, HAS) == shown


def test_a_text_of_another_direction_is_an_island() -> None:
    assert isolated("12 MG Road", right_to_left=True) == "\u206812 MG Road\u2069"
    assert isolated("שלום\n12", right_to_left=False) == "\u2068שלום\u2069\n\u206812\u2069"
    assert isolated("12 MG Road", right_to_left=False) == "12 MG Road"
    assert isolated("", right_to_left=True) == ""


def test_short_keeps_one_line() -> None:
    assert short("a\n b", 10) == "a b"
    assert short("x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_fonts_have_every_letter_that_a_language_of_the_house_is_written_with(tag: str) -> None:
    locale = Locale(tag)
    words = "".join([*locale.months["format"]["wide"].values(), *locale.days["format"]["wide"].values()])
    names = "".join(locale.currencies.values()) + "".join(str(name) for name in locale.territories.values())
    assert [one for one in {*words, *names, *"₹฿₫₪$0123456789.,-–%"} if not HAS(one) and not one.isspace()] in (
        [],
        ["\u200f"],
    )


def test_whole_scripts_are_there() -> None:
    blocks = {"Thai": range(0xE01, 0xE3B), "Devanagari": range(0x900, 0x970), "Hebrew": range(0x5D0, 0x5EB)}
    vietnamese = range(0x1EA0, 0x1EFA)
    for name, block in {**blocks, "Vietnamese": vietnamese}.items():
        assert [f"{point:X}" for point in block if unicodedata.name(chr(point), "") and not HAS(chr(point))] == [], name


def test_fonts_are_small_enough_to_come_along_and_carry_their_licence() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 6_000_000
    assert "SIL Open Font License, Version 1.1" in (FOLDER / "OFL.txt").read_text(encoding="utf-8")
