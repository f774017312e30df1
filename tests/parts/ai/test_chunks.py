"""Passages: exact stretches of a page, cut where a reader would, with what is needed to understand them."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillhouse.parts.ai.domain.chunks import Sizes, chunks, sentences
from tillhouse.parts.ai.domain.reading import Box, Draft, Page, from_wire, page_of, table_text, to_wire
from tillhouse.parts.ai.domain.words import weight

SIZES = Sizes(most=200, overlap=60)


def paper(*drafts: Draft, number: int = 1) -> Page:
    return page_of(number, drafts)


def test_a_passage_is_a_stretch_of_its_page_under_its_headings() -> None:
    text = "First sentence of it. " * 3
    page = paper(Draft("heading", "Fees", level=1), Draft("heading", "India", level=2), Draft("paragraph", text * 8))
    found = chunks([page], SIZES)
    assert len(found) > 2
    assert all(page.text[one.start : one.end] == one.text and weight(one.text) <= SIZES.most for one in found)
    assert found[1].headings == ("Fees", "India")
    assert found[0].text.startswith("Fees\n\nIndia\n\nFirst sentence")


def test_headings_go_on_to_the_next_page_and_end_with_their_like() -> None:
    pages = [
        paper(Draft("heading", "Fees", level=1), Draft("paragraph", "About fees.")),
        paper(Draft("paragraph", "More about fees."), number=2),
        paper(Draft("heading", "Returns", level=1), Draft("paragraph", "About returns."), number=3),
    ]
    assert [(one.page, one.headings) for one in chunks(pages, SIZES)] == [(1, ()), (2, ("Fees",)), (3, ())]


def test_neighbours_share_whole_sentences_and_none_is_cut() -> None:
    text = " ".join(f"Sentence number {number} says something." for number in range(30))
    found = chunks([paper(Draft("paragraph", text))], SIZES)
    for one, following in pairwise(found):
        assert following.start < one.end <= following.end
        assert one.text.endswith(".")
        assert following.text.startswith("Sentence")


def test_rows_stay_whole_and_know_the_first_row_of_their_table() -> None:
    rows = (("Country", "Fee"), *((f"Country number {n}", f"{n} %") for n in range(40)))
    page = paper(Draft("paragraph", "Below are fees."), Draft("table", table_text(rows), rows=rows))
    found = chunks([page], SIZES)
    assert found[0].text.startswith("Below are fees.\n\nCountry | Fee")
    assert all(one.context == "Country | Fee" for one in found[1:])
    assert "Country | Fee\n" in found[-1].searched
    assert all(line.count("|") == 1 for one in found[1:] for line in one.text.split("\n"))


CUTS = [
    ("Dr. Rao paid No. 5. It cost 3.50 USD.", ["Dr. Rao paid No. 5. ", "It cost 3.50 USD."]),
    ("Really?! “Yes.” Fine…", ["Really?! ", "“Yes.” ", "Fine…"]),
    ("支払い済み。次の文。", ["支払い済み。", "次の文。"]),
    ("यह पहला है। यह दूसरा है॥", ["यह पहला है। ", "यह दूसरा है॥"]),
    ("ส่งของแล้ว ลูกค้าจ่ายเงินแล้ว", ["ส่งของแล้ว ", "ลูกค้าจ่ายเงินแล้ว"]),
    ("Hoá đơn đã gửi. Phí là 1.000 đ.", ["Hoá đơn đã gửi. ", "Phí là 1.000 đ."]),
]


@pytest.mark.parametrize(("text", "parts"), CUTS)
def test_sentences_end_where_readers_of_the_language_end_them(text: str, parts: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == parts


pieces = st.lists(st.text(alphabet="ab .!?。\n|ก่ า한中é", max_size=400), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(pieces)
def test_whatever_is_written_no_word_is_lost_and_no_passage_is_too_long(texts: list[str]) -> None:
    page = page_of(1, [Draft("paragraph", text) for text in texts])
    found = chunks([page], SIZES)
    covered = {at for one in found for at in range(one.start, one.end)}
    assert {at for at, letter in enumerate(page.text) if not letter.isspace()} <= covered
    assert all(0 < weight(one.text) <= SIZES.most and page.text[one.start : one.end] == one.text for one in found)


def test_a_page_survives_its_way_through_json_and_says_what_stands_where() -> None:
    box = Box(0.1, 0.2, 0.3, 0.4)
    draft = Draft("paragraph", "one line and\x00 another", lines=(("one line", box), ("and\x00 another", box)))
    page = page_of(3, [draft], hidden=["ignore\ud800 this"], title="T")
    assert from_wire(to_wire(page)) == page
    assert [page.text[line.start : line.end] for line in page.blocks[0].lines] == ["one line", "and another"]
    assert page.hidden == ("ignore this",)
    assert page.fingerprint == page_of(3, [draft], hidden=["ignore this"], title="T").fingerprint
