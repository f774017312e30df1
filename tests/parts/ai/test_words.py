"""What a question finds, in the languages of the house: the same terms come of it and of the passage."""

import re
from pathlib import Path

import psycopg
import pytest

from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.parts.ai.domain.citations import check_citations, find_quote
from tillhouse.parts.ai.domain.fusion import fuse
from tillhouse.parts.ai.domain.stemming import stem
from tillhouse.parts.ai.domain.words import LONGEST_TERM, question_terms, terms
from tillhouse.parts.ai.providers.pythainlp import split
from tillhouse.parts.ai.store.passages import term_vector

ROOT = Path(__file__).parents[3]

FOUND = [
    ("English: forms of a word", "Refunds were paid on the card.", "refunding payments", 1),
    ("English: possessive", "The driver's wallet", "drivers", 1),
    ("accents", "Crème brûlée in a café", "creme cafe", 2),
    ("Vietnamese as it is written", "Hoá đơn điện tử được gửi", "hoá đơn", 3),
    ("Vietnamese without accents", "Hoá đơn điện tử được gửi", "hoa don dien tu", 7),
    ("Vietnamese with the tone elsewhere", "Hoá đơn điện tử", "hóa đơn", 3),
    ("Vietnamese, decomposed", "Hoa\u0301 d\u030aơn điện tử", "điện tử", 3),
    ("Thai: a word inside a run", "การเรียกเก็บเงินจากลูกค้าต้องออกใบกำกับภาษี", "ใบกำกับภาษี", 1),
    ("Thai: sara am", "จำนวนเงินที่ต้องชำระ", "จำนวน", 1),
    ("Thai digits", "ปี ๒๕๖๗", "2567", 1),
    ("Hindi: plural", "किताबें मेज़ पर हैं", "किताब", 1),
    ("Hindi: nukta left out", "मेज़ पर", "मेज", 1),
    ("Hindi digits", "२५० रुपये", "250", 1),
    ("Hebrew: the article joined", "החשבונית נשלחה", "חשבונית", 1),
    ("Hebrew: two prefixes", "ולחשבונית מצורף", "חשבונית", 1),
    ("Hebrew: points", "שָׁלוֹם", "שלום", 1),
    ("Hebrew: an abbreviation", 'מע"מ כלול', "מע״מ", 1),
    ("Japanese", "請求書の支払い期限", "支払い", 2),
    ("Chinese: one character", "发票在这里", "票", 1),
    ("Korean with a particle", "청구서를 보냈습니다", "청구서", 2),
    ("numbers, however grouped", "Total 3,914.25", "3914.25", 1),
    ("full width", "ＡＢＣ１２３", "abc123", 1),
    ("ligature", "o\ufb03ce", "office", 1),
]


@pytest.mark.parametrize(("passage", "question", "least"), [row[1:] for row in FOUND], ids=[row[0] for row in FOUND])
def test_a_question_finds_what_says_the_same(passage: str, question: str, least: int) -> None:
    shared = set(terms(passage, split)) & set(question_terms(question, split))
    assert len(shared) >= least, (terms(passage, split), question_terms(question, split))


NOT_FOUND = [
    ("Thai: letters of two words", "ตากลม", "กล"),
    ("a part of an English word", "the carpet", "car"),
    ("Chinese: the same characters apart", "发现票据", "发票据点"),
]


@pytest.mark.parametrize(("passage", "question"), [row[1:] for row in NOT_FOUND], ids=[row[0] for row in NOT_FOUND])
def test_a_question_does_not_find_what_only_has_its_letters(passage: str, question: str) -> None:
    wanted = [term for term in question_terms(question, split) if len(term) > 1]
    assert len(set(terms(passage, split)) & set(wanted)) < len(wanted)


def test_accents_that_were_typed_are_found_before_those_that_were_not() -> None:
    typed = set(question_terms("bạn", split))
    assert len(typed & set(terms("bạn", split))) > len(typed & set(terms("bán", split))) > 0


def test_a_question_leaves_out_what_says_nothing_unless_it_is_all_there_is() -> None:
    assert question_terms("what is the refund policy", split) == ["refund", "polici"]
    assert question_terms("to be or not to be", split) != []
    # In Vietnamese typed without accents `can` and `the` are words.
    assert {"can", "the"} <= set(question_terms("can the ngan hang", split))


def test_no_term_is_longer_than_an_index_takes_and_none_breaks_out_of_it() -> None:
    found = terms("x" * 500 + " o'clock back\\slash 'quoted'", split)
    assert max(map(len, found)) <= LONGEST_TERM
    # A `tsvector` literal as PostgreSQL documents it: quotes and backslashes doubled.
    read = re.findall(r"'(?:[^'\\]|''|\\\\)*':[\d,]+(?: |$)", term_vector(7, found))
    assert len(read) == len(set(found))


def test_stems_are_those_of_postgresql(server: EmbeddedPostgres) -> None:
    """An independent reader of the same algorithm, over every word of our own documentation."""
    words: set[str] = set()
    for page in (ROOT / "docs").rglob("*.md"):
        words |= set(re.findall(r"[a-z]{1,20}", page.read_text(encoding="utf-8").lower()))
    assert len(words) > 2_000
    with psycopg.connect(server.superuser_dsn) as connection:
        asked = "SELECT w, ts_lexize('pg_catalog.english_stem', w) FROM unnest(%s::text[]) w"
        rows = connection.execute(asked, (sorted(words),)).fetchall()
    assert [(word, found[0], stem(word)) for word, found in rows if found and found[0] != stem(word)] == []


def test_ranks_are_put_together_as_the_paper_says() -> None:
    fused = fuse([["a", "b", "c"], ["c", "a"]])
    assert [key for key, _ in fused] == ["a", "c", "b"]
    assert fused[0][1] == pytest.approx(1 / 61 + 1 / 62)
    assert fuse([["a", "a", "b"]])[1] == ("b", pytest.approx(1 / 62))


PASSAGE = "Refunds are paid within seven\ndays — “on request” — to the card. Phí hoàn tiền là 1,5 %."

QUOTES = [
    ("paid within", "exact"),
    ("refunds ARE paid within seven days", "normalised"),
    ('days - "on request" - to', "normalised"),
    ("Phi\u0301 hoa\u0300n tie\u0302\u0300n", "normalised"),
    ("Refunds are … to the card", "normalised"),
    ("Refunds are never paid", "missing"),
    ("to the card … Refunds are", "missing"),
    ("efunds are pai", "exact"),
    ("EFUNDS are pai", "missing"),
    ("", "missing"),
    ("…", "missing"),
    ("%", "missing"),
]


@pytest.mark.parametrize(("quote", "standing"), QUOTES)
def test_a_quotation_is_verified_or_flagged(quote: str, standing: str) -> None:
    found, start, end = find_quote(quote, PASSAGE)
    assert found == standing
    if standing == "exact":
        assert PASSAGE[start:end] == quote
    if standing == "normalised":
        assert PASSAGE[start].casefold() == quote.strip()[0].casefold()
        assert end > start


def test_every_quotation_of_an_answer_is_looked_for_in_the_passage_that_it_names() -> None:
    answer = 'It says “paid within seven days” [1], "free of charge" [1][2] and «gone» [9]. “No number here.”'
    found = check_citations(answer, [PASSAGE, "Delivery is free of charge."])
    assert [(one.quote, one.passage, one.standing) for one in found] == [
        ("paid within seven days", 0, "normalised"),
        ("free of charge", 0, "missing"),
        ("free of charge", 1, "exact"),
        ("gone", 8, "no_passage"),
    ]
    assert [one.verified for one in found] == [True, False, True, False]
    assert answer[found[0].at : found[0].at + 5] == "“paid"
