"""Papers as PDF: valid, the same each time, in five languages; what stands on them, and what is inside."""

import asyncio
import hashlib
import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pypdfium2
import pytest
from PIL import Image

from tests.parts.documents import papers
from tests.parts.documents.conftest import desk
from tests.parts.documents.papers import READERS
from tests.parts.documents.printer import EN, HI, PAPERS, printed
from tests.parts.documents.reading import codes_in, insides_of, pages_of, picture_of, squeezed, text_of
from tillhouse.kernel.errors import InvalidInput, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.money import Money
from tillhouse.kernel.web import render
from tillhouse.kernel.web.catalogues import untranslated
from tillhouse.parts.documents import api as documents
from tillhouse.parts.documents.api import Attachment, Entry, Look, Party
from tillhouse.parts.documents.domain.text import REPLACEMENT
from tillhouse.parts.documents.manifest import MODULE
from tillhouse.parts.documents.ports import Sheet
from tillhouse.parts.documents.providers.typst.press import TypstPress
from tillhouse.parts.documents.service.content import COLOURS, frame_of, letter_content

TITLES = {
    "en": ("Receipt", "Statement"),
    "hi": ("रसीद", "स्टेटमेंट"),
    "vi": ("Biên nhận", "Sao kê"),
    "th": ("ใบเสร็จรับเงิน", "รายการเดินบัญชี"),
    "he": ("קבלה", "דף חשבון"),
}


@pytest.mark.parametrize("tag", READERS)
@pytest.mark.parametrize("kind", PAPERS)
async def test_a_paper_is_archival_accessible_and_complete_in_every_language(house: House, kind: str, tag: str) -> None:
    made = await printed(house, kind, READERS[tag])
    inside = insides_of(made)
    # as veraPDF finds them: the standards that the file claims, its tags, its language, its fonts
    for claim in (b"<pdfaid:part>3<", b"<pdfaid:conformance>A<", b"<pdfuaid:part>1<", b"/StructTreeRoot", b"/MarkInfo"):
        assert claim in inside
    assert f"/Lang ({tag}".encode() in inside or f"<dc:language><rdf:Bag><rdf:li>{tag}".encode() in inside
    assert inside.count(b"/FontFile") >= 1
    said = text_of(made)
    assert said.strip()
    assert REPLACEMENT not in said
    if kind in ("receipt", "statement"):
        assert TITLES[tag][kind == "statement"] in said


@pytest.mark.parametrize("tag", [tag for tag in READERS if tag != "en"])
def test_every_word_of_the_papers_is_translated(tag: str) -> None:
    assert list(untranslated(MODULE.folder, MODULE.folder / "locale", tag)) == []


@pytest.mark.parametrize(
    ("tag", "unit", "minor", "shown"),
    [
        ("en", "INR", 123_456_789, "₹12,34,567.89"),
        ("hi", "INR", 123_456_789, "₹12,34,567.89"),
        ("vi", "VND", 1_234_567, "1.234.567 ₫"),
        ("th", "THB", 123_456_789, "฿1,234,567.89"),
        ("he", "INR", 123_456_789, "1,234,567.89"),
        ("en", "VND", 1_234_567, "₫12,34,567"),
    ],
)
async def test_amounts_are_written_as_the_reader_writes_them(
    house: House, tag: str, unit: str, minor: int, shown: str
) -> None:
    made = await printed(house, "receipt", READERS[tag], amount=Money(minor, unit))
    assert shown in text_of(made).replace("\xa0", " ")


@pytest.mark.parametrize(
    ("tag", "shown"),
    [("en", "21 Nov 2026"), ("hi", "21 नव॰ 2026"), ("vi", "21 thg 11, 2026"), ("th", "21 พ.ย. 2026"), ("he", "2026")],
)
async def test_days_are_the_readers_own(house: House, tag: str, shown: str) -> None:
    late = papers.WHEN.replace(hour=16, minute=45)  # 22:15 in India, 23:45 in Thailand and Vietnam
    said = squeezed(await text_in(house, tag, late))
    assert squeezed(shown) in said


async def text_in(house: House, tag: str, paid_at: datetime) -> str:
    return text_of(await printed(house, "receipt", READERS[tag], paid_at=paid_at))


async def test_the_same_paper_is_the_same_file_in_every_process(house: House) -> None:
    here = [hashlib.sha256(await printed(house, kind, HI)).hexdigest() for kind in PAPERS]
    assert here == [hashlib.sha256(await printed(house, kind, HI)).hexdigest() for kind in PAPERS]
    program = (
        "import asyncio, hashlib\n"
        "from tests.parts.documents.conftest import desk\n"
        "from tests.parts.documents.printer import HI, PAPERS, printed\n"
        "async def main():\n"
        "    house = desk()\n"
        "    print(*[hashlib.sha256(await printed(house, kind, HI)).hexdigest() for kind in reversed(PAPERS)])\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo"}
    there = subprocess.run(  # noqa: ASYNC221  nothing else runs
        [sys.executable, "-c", program], capture_output=True, check=True, env=environment, timeout=90
    )
    assert there.stdout.decode().split() == here[::-1]


async def test_the_date_of_a_file_is_the_papers_own(house: House) -> None:
    inside = insides_of(await printed(house, "letter", issued_at=datetime(2031, 4, 5, 6, 7, 8, tzinfo=UTC)))
    assert b"<xmp:CreateDate>2031-04-05T06:07:08+00:00<" in inside
    assert f"{datetime.now(UTC):%Y-%m-%d}T".encode() not in inside


async def test_a_long_statement_repeats_its_head_and_counts_its_pages(house: House) -> None:
    made = await printed(house, "statement", movements=200)
    pages = pages_of(made)
    assert len(pages) > 4
    for number, page in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in page
        assert "Money out" in page
    assert all("2026-10" in page for page in pages[1:])
    said = "".join(pages)
    assert [number for number in range(200) if f"T{90_000 + number}" not in said] == []


async def test_an_invoice_shows_lines_taxes_total_and_what_is_still_to_pay(house: House) -> None:
    said = text_of(await printed(house, "invoice", paid=papers.rupees(100_000)))
    shown = [
        "Tax invoice", "INV/26-27/0042", "GSTIN: 29ABCDE1234F1Z5", "998719", "18%", "CGST 9%", "Rounding", "₹5,516.50",
        "Paid already", "-₹1,000.00", "Still to pay", "Place of supply", "5 Dec 2026",
    ]  # fmt: skip
    assert [one for one in shown if one.replace("₹5,516.50", "₹5,516") not in said] == []


async def test_a_paid_invoice_says_so_and_a_draft_too(house: House) -> None:
    total = papers.invoice().total
    assert "Paid\n" in text_of(await printed(house, "invoice", paid=total)) + "\n"
    assert "Draft" in text_of(await printed(house, "invoice", draft=True))
    assert "Draft" not in text_of(await printed(house, "invoice"))


async def test_a_receipt_shows_what_was_given_back(house: House) -> None:
    said = text_of(await printed(house, "receipt", amount=papers.rupees(50_000), returned=papers.rupees(20_000)))
    assert [one for one in ("₹500.00", "Given back", "-₹200.00", "₹300.00") if one not in said] == []


async def test_the_code_on_a_paper_is_read_by_a_scanner(house: House, tmp_path: Path) -> None:
    link = papers.invoice().code.text
    picture_of(await printed(house, "invoice"), scale=3).save(tmp_path / "invoice.png")
    picture_of(await printed(house, "certificate"), scale=3).save(tmp_path / "certificate.png")
    found = codes_in(tmp_path / "invoice.png", tmp_path / "certificate.png")
    assert found == [link, "https://tillhouse.example/c/MM-2026-0815"]


async def test_a_file_can_be_attached_with_its_relationship(house: House) -> None:
    xml = '<?xml version="1.0"?><rsm:Invoice>₹ & \u202e 漢</rsm:Invoice>'.encode()
    attached = Attachment(
        name="factur-x.xml", media_type="text/xml", relationship="alternative", description="The invoice", content=xml
    )
    made = await documents.render_invoice(house, papers.invoice(), EN, attachments=[attached])
    with pypdfium2.PdfDocument(made) as paper:
        assert paper.count_attachments() == 1
        found = paper.get_attachment(0)
        assert (found.get_name(), bytes(found.get_data())) == ("factur-x.xml", xml)
    inside = insides_of(made)
    assert b"/AFRelationship/Alternative" in inside.replace(b" ", b"")
    assert b"text#2Fxml" in inside
    again = await documents.render_invoice(house, papers.invoice(), EN, attachments=[attached])
    assert again == made


@pytest.mark.parametrize("names", [("a.xml", "a.xml"), ("../a.xml",), ("",), ("a\nb",)])
async def test_an_attachment_without_a_name_of_its_own_is_refused(house: House, names: tuple[str, ...]) -> None:
    files = [
        Attachment(name=name, media_type="text/xml", relationship="data", description="x", content=b"x")
        for name in names
    ]
    with pytest.raises(InvalidInput):
        await documents.render_letter(house, papers.letter(), EN, attachments=files)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
async def test_a_logo_is_printed_whatever_its_form(house: House, form: str) -> None:
    drawn = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    Image.new("RGB", (1200, 300), "#cc0000").save(drawn, form, exif=exif)
    made = await printed(house, "letter", look=Look(logo=drawn.getvalue()))
    assert b"taken at home" not in insides_of(made)
    with pypdfium2.PdfDocument(made) as paper:
        red = paper[0].render(scale=1).to_pil().convert("RGB").getpixel((100, 75))
    assert red[0] > 180
    assert red[1] < 40


@pytest.mark.parametrize(
    "logo", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\nbroken", b"x" * 2_000_001]
)
async def test_what_is_no_picture_is_refused_as_a_logo(house: House, logo: bytes) -> None:
    if not logo:
        assert await printed(house, "letter", look=Look(logo=logo))  # nothing is no logo
        return
    with pytest.raises(InvalidInput) as refused:
        await printed(house, "letter", look=Look(logo=logo))
    assert refused.value.errors[0].pointer == "/logo"


def test_the_accents_are_those_of_the_pages() -> None:
    css = (render.STATIC / "kernel" / "app.css").read_text(encoding="utf-8")
    for accent in render.ACCENTS:
        rules = re.search(rf'\[data-accent="?{accent}"?\]\{{([^}}]*)\}}', css)
        assert rules
        tokens = dict(pair.split(":", 1) for pair in rules[1].split(";") if ":" in pair)
        assert COLOURS[accent] == (tokens["--primary"], tokens["--primary-soft"])


def test_a_paper_whose_sums_do_not_agree_cannot_be_made() -> None:
    good = papers.invoice()
    with pytest.raises(ValueError, match="does not add up"):
        replace(good, total=good.total + papers.rupees(1))
    with pytest.raises(ValueError, match="does not add up"):
        replace(good, discount=papers.rupees(100))
    with pytest.raises(ValueError, match="do not mix"):
        replace(good, total=Money(good.total.minor, "THB"))
    month = papers.statement(3)
    with pytest.raises(ValueError, match="does not add up"):
        replace(month, closing=month.closing + papers.rupees(1))
    with pytest.raises(ValueError, match="does not add up at 2026-10-01"):
        replace(month, opening=papers.rupees(0))
    with pytest.raises(ValueError, match="its zone"):
        papers.receipt(paid_at=datetime(2026, 1, 1))  # noqa: DTZ001  what is refused
    with pytest.raises(ValueError, match="at most 5000"):
        papers.letter(paragraphs=["x"] * 5001)


async def test_the_house_answers_others_while_papers_are_printed(house: House) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    month = papers.statement(200)
    ticks = 0
    made = await documents.render_statement(house, month, EN)
    ticking.cancel()
    assert len(pages_of(made)) > 5
    assert ticks > 10


async def test_papers_printed_at_the_same_time_do_not_mix(house: House) -> None:
    names = [f"Payer {number}" for number in range(12)]
    made = await asyncio.gather(*(printed(house, "receipt", payer=Party(name=name)) for name in names))
    for name, pdf in zip(names, made, strict=True):
        assert f"{name}\n" in text_of(pdf) + "\n"


def test_a_statement_knows_what_came_and_went() -> None:
    up, down = papers.rupees(500), papers.rupees(-200)
    month = papers.statement(
        0,
        entries=(
            Entry(at=papers.WHEN, title="in", amount=up, balance=papers.rupees(50_500)),
            Entry(at=papers.WHEN, title="out", amount=down, balance=papers.rupees(50_300)),
        ),
        closing=papers.rupees(50_300),
    )
    assert (month.money_in, month.money_out) == (up, -down)


def workshops() -> set[psutil.Process]:
    """The processes in which papers are typeset."""
    return {child for child in psutil.Process().children() if any("workshop" in word for word in child.cmdline())}


async def test_a_paper_that_takes_too_long_is_stopped() -> None:
    others = workshops()
    press = TypstPress(workers=1, patience=0.005)
    with pytest.raises(TransientError):
        await press.pdf(Sheet("letter", frame_of(Look()), "t", "a", "d", {}, papers.WHEN))
    assert workshops() == others
    await press.close()


async def test_papers_are_printed_on_when_a_process_was_killed() -> None:
    others, house = workshops(), desk()
    first = await printed(house, "letter")
    for process in workshops() - others:
        process.kill()
        process.wait()
    assert await printed(house, "letter") == first
    await house.close()
    assert workshops() == others


async def test_a_process_has_no_secrets_and_ends_when_it_has_grown() -> None:
    others, house = workshops(), desk()
    await printed(house, "receipt")
    (process,) = workshops() - others
    assert process.environ() == {}
    assert await printed(house, "receipt")
    assert process.is_running()
    await house.close()
    press = TypstPress(workers=1, memory=1)
    for _ in range(2):
        assert await press.pdf(
            Sheet("letter", frame_of(Look()), "t", "a", "d", letter_content(papers.letter()), papers.WHEN)
        )
        assert workshops() == others
    await press.close()
