"""Pure rules: numbers of documents, what a case may become, papers as they are kept."""

import io
import struct
import zlib
from datetime import date

import pytest
from PIL import Image

from tests.parts.kyc.desk import photo
from tillhouse.kernel.errors import InvalidInput
from tillhouse.parts.kyc.domain import LEVELS, Details, IdKind, OwnerKind, State, WrongState, step
from tillhouse.parts.kyc.domain.numbers import age, check_pan, is_gstin, is_thai_id, tidy, well_formed
from tillhouse.parts.kyc.providers.pictures import pages_of

TODAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("kind", "number", "right"),
    [
        ("pan", "ABCPR1234D", True),
        ("pan", "ABCXR1234D", False),
        ("pan", "ABCPR1234", False),
        ("thai_id", "1234567890121", True),
        ("thai_id", "1234567890122", False),
        ("thai_id", "9234567890121", False),
        ("gstin", "27AAPFU0939F1ZV", True),
        ("gstin", "27AAPFU0939F1ZW", False),
        ("gstin", "00AAPFU0939F1ZV", False),
        ("passport", "Z1234567", True),
        ("passport", "Z12", False),
        ("registration", "U72200KA2019PTC123456", True),
        ("registration", "?", False),
    ],
)
def test_a_number_that_cannot_exist_is_known_at_once(kind: IdKind, number: str, right: bool) -> None:
    assert well_formed(kind, number) is right


def test_a_slip_in_a_checked_number_shows() -> None:
    """A wrong character of a GSTIN always. A wrong digit of a Thai ID mostly: 11 remainders share ten digits, and the
    third digit weighs 11, so that it counts for nothing.
    """
    thai, gstin = "1234567890121", "27AAPFU0939F1ZV"
    slips = [thai[:i] + d + thai[i + 1 :] for i in range(13) for d in "0123456789" if d != thai[i]]
    unseen = [slip for slip in slips if is_thai_id(slip)]
    assert len(unseen) == 18
    assert sum(slip[2] != thai[2] for slip in unseen) == 9
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    slips = [gstin[:i] + d + gstin[i + 1 :] for i in range(15) for d in "0123456789" + letters if d != gstin[i]]
    assert not [slip for slip in slips if is_gstin(slip)]


@pytest.mark.parametrize(
    ("number", "name", "owner", "result", "reason"),
    [
        ("ABCPR1234D", "Asha Rao", "person", "well_formed", "name_fits"),
        ("ABCPA1234D", "Asha Rao", "person", "unsure", "name_order"),
        ("ABCPK1234D", "Asha Rao", "person", "failed", "name_initial"),
        ("ABCPR1234D", "आशा राव", "person", "unsure", "not_latin"),
        ("ABCCR1234D", "Asha Rao", "person", "failed", "wrong_holder"),
        ("ABCCR1234D", "Rao & Sons", "organisation", "well_formed", "name_fits"),
        ("ABCPR1234D", "Rao & Sons", "organisation", "failed", "wrong_holder"),
    ],
)
def test_the_letters_of_a_pan_are_compared_with_the_name(
    number: str, name: str, owner: OwnerKind, result: str, reason: str
) -> None:
    found = check_pan(number, name, owner)
    assert (found.result, found.reason) == (result, reason)


def details(**changed: object) -> Details:
    said = {"name": " Asha  Rao ", "birth_date": date(1990, 4, 1), "country": "IN", "id_kind": "pan"}
    return Details(**{"id_number": "abcpr-1234 d", **said, **changed})  # type: ignore[arg-type]  # for the tests


def test_details_are_kept_tidy_and_their_number_is_shown_by_its_end() -> None:
    kept = tidy(details(), "person", TODAY)
    assert (kept.name, kept.id_number, kept.masked_number) == ("Asha Rao", "ABCPR1234D", "…34D")


@pytest.mark.parametrize(
    ("changed", "owner", "pointer"),
    [
        ({"id_number": "ABCPR1234"}, "person", "/id_number"),
        ({"country": "TH"}, "person", "/country"),
        ({"birth_date": date(2008, 3, 3)}, "person", "/birth_date"),
        ({"birth_date": date(2026, 3, 3)}, "organisation", "/birth_date"),
        ({"birth_date": date(1890, 1, 1)}, "person", "/birth_date"),
    ],
)
def test_a_field_that_cannot_be_right_is_named(changed: dict[str, object], owner: OwnerKind, pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        tidy(details(**changed), owner, TODAY)
    assert [error.pointer for error in refused.value.errors] == [pointer]


def test_years_are_full_on_the_birthday() -> None:
    assert (age(date(2008, 3, 2), TODAY), age(date(2008, 3, 3), TODAY)) == (18, 17)


def test_every_step_that_is_not_drawn_is_refused() -> None:
    allowed = {
        ("not_started", "submitted"),
        ("submitted", "in_review"),
        ("submitted", "not_started"),
        ("in_review", "approved"),
        ("in_review", "rejected"),
        ("in_review", "not_started"),
        ("approved", "expired"),
        ("approved", "rejected"),
        ("rejected", "submitted"),
    }
    for current in State:
        for to in State:
            if (current.value, to.value) in allowed:
                assert step(current, to) == to
            else:
                with pytest.raises(WrongState):
                    step(current, to)


def test_money_is_followed_by_two_persons() -> None:
    assert {name: level.persons for name, level in LEVELS.items()} == {"basic": 1, "payout": 2}


def test_a_photo_is_kept_upright_smaller_and_without_where_it_was_taken() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    out = io.BytesIO()
    Image.new("RGB", (3000, 1000), "green").save(out, "JPEG", exif=exif)
    (page,) = pages_of(out.getvalue())
    with Image.open(io.BytesIO(page)) as kept:
        assert (kept.format, kept.size, dict(kept.getexif())) == ("JPEG", (733, 2200), {})


def test_every_page_of_a_pdf_becomes_a_picture() -> None:
    out = io.BytesIO()
    sheets = [Image.new("RGB", (600, 800), colour) for colour in ("red", "blue")]
    sheets[0].save(out, "PDF", save_all=True, append_images=sheets[1:])
    pages = pages_of(out.getvalue())
    colours = []
    for page in pages:
        with Image.open(io.BytesIO(page)) as kept:
            red, _, blue = kept.convert("RGB").resize((1, 1)).tobytes()
            colours.append("red" if red > blue else "blue")
    assert colours == ["red", "blue"]


def many_pages() -> bytes:
    out = io.BytesIO()
    sheets = [Image.new("RGB", (100, 100)) for _ in range(7)]
    sheets[0].save(out, "PDF", save_all=True, append_images=sheets[1:])
    return out.getvalue()


def bomb() -> bytes:
    """A small PNG that says it is 400 megapixels large."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        for body in (header, b"IDAT", b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"hello", "unreadable"),
        (b"%PDF-1.7 broken", "unreadable"),
        (photo()[:500], "unreadable"),
        (photo((500, 100)), "too_small"),
        (many_pages(), "too_many_pages"),
        (bomb(), "too_many_pixels"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "unreadable"),
    ],
)
def test_what_is_no_readable_paper_is_refused_with_what_to_do(content: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        pages_of(content)
    assert refused.value.errors[0].code == code
