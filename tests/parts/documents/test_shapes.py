"""Letters are shaped as their scripts are written."""

import pypdfium2
from PIL import Image, ImageChops

from tests.parts.documents.printer import EN, HE, printed
from tests.parts.documents.reading import picture_of
from tillhouse.kernel.house import House
from tillhouse.kernel.web.i18n import Reader
from tillhouse.parts.documents.api import Look, Party


def ink(picture: Image.Image) -> tuple[int, int, int, int]:
    """Where the picture is not white."""
    found = ImageChops.invert(picture).getbbox()
    assert found
    return found


async def word(house: House, text: str, reader: Reader = EN) -> Image.Image:
    """How a word looks in a letter: the middle of the page, where its one paragraph stands."""
    blank = {"greeting": "", "closing": "", "signer": "", "facts": (), "number": "", "look": Look()}
    made = await printed(house, "letter", reader, paragraphs=(text,), **blank)
    picture = picture_of(made, scale=4)
    with_nothing = picture_of(await printed(house, "letter", reader, paragraphs=("\u200d",), **blank), scale=4)
    difference = ImageChops.difference(picture, with_nothing)
    found = difference.getbbox()
    assert found
    return picture.crop(found)


async def test_devanagari_letters_are_joined(house: House) -> None:
    joined, apart = await word(house, "क्षत्रिय"), await word(house, "क्\u200cषत्\u200cरिय")
    assert joined.width < apart.width * 0.9  # conjuncts, where the second is told not to join
    vowel_first, consonant = await word(house, "कि"), await word(house, "क")
    assert vowel_first.width > consonant.width  # the vowel sign stands before its consonant
    assert vowel_first.height > consonant.height


async def test_thai_marks_stand_above_each_other(house: House) -> None:
    bare, marked = await word(house, "กก"), await word(house, "กี่กี้")
    assert marked.height > bare.height * 1.5
    assert marked.width < bare.width * 1.15


async def test_vietnamese_letters_are_whole_however_they_were_typed(house: House) -> None:
    composed, typed = await word(house, "Việt Nữ Ổn"), await word(house, "Vie\u0323\u0302t Nư\u0303 O\u0302\u0309n")
    assert composed.tobytes() == typed.tobytes()


async def test_hebrew_runs_from_right_to_left_and_numbers_in_it_do_not(house: House) -> None:
    payer = Party(name="אשר לוי", address=("12 MG Road",))
    made = await printed(house, "receipt", HE, payer=payer, title="תוכנית שנתית 2026")
    name = places(made, "אשר")
    assert name == sorted(name, reverse=True)
    assert places(made, "2026")[-1] < min(places(made, "שנתית"))  # the year stands to the left, where it is read last
    assert places(made, "2026") == sorted(places(made, "2026"))
    assert places(made, "Road")[0] > places(made, "MG")[-1]  # an address keeps its own direction


def places(pdf: bytes, word: str) -> list[float]:
    """How far from the left edge each letter of a word stands, in the order in which it is read."""
    with pypdfium2.PdfDocument(pdf) as paper:
        page = paper[0].get_textpage()
        found = page.search(word).get_next()
        assert found, word
        return [page.get_charbox(found[0] + at)[0] for at in range(found[1])]


async def test_the_paper_of_a_right_to_left_reader_is_mirrored(house: House) -> None:
    def title_at(made: bytes, title: str) -> float:
        with pypdfium2.PdfDocument(made) as paper:
            page = paper[0].get_textpage()
            found = page.search(title).get_next()
            assert found
            return float(page.get_charbox(found[0])[0]) / paper[0].get_width()

    assert title_at(await printed(house, "receipt", EN), "Receipt") > 0.5
    assert title_at(await printed(house, "receipt", HE), "קבלה") < 0.5
