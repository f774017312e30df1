"""What payment codes say: the published examples to the letter, limits, and a scanner that reads them back."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.parts.documents.reading import codes_in
from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.parts.documents import api as documents
from tillhouse.parts.documents.api import promptpay, promptpay_bill, upi_link, vietqr
from tillhouse.parts.documents.domain.payment_codes import crc16


def baht(satang: int) -> Money:
    return Money(satang, "THB")


def dong(amount: int) -> Money:
    return Money(amount, "VND")


def rupees(paise: int) -> Money:
    return Money(paise, "INR")


PROMPTPAY = "00020101021129370016A0000006770101110113006681222333353037645802TH63041DCF"
PUBLISHED = {
    PROMPTPAY: lambda: promptpay(mobile="081-222-3333"),
    "00020101021229370016A0000006770101110113006681222333353037645802TH540530.0063043CAD": lambda: promptpay(
        mobile="0812223333", amount=baht(3_000)
    ),
    "00020101021229370016A0000006770101110213123456789012353037645802TH54044.226304F809": lambda: promptpay(
        national_id="1-2345-67890-12-3", amount=baht(422)
    ),
    "00020101021230640016A00000067701011201151122334455667780211CUSTOMER0010306INV00153037645802TH5406300.006304C316": (
        lambda: promptpay_bill("112233445566778", "CUSTOMER001", "INV001", amount=baht(30_000))
    ),
    "00020101021238560010A0000007270126000697041501121133666688880208QRIBFTTA53037045405790005802VN"
    "62220818Ung Ho Quy Vac Xin63043ACF": lambda: vietqr(
        "970415", "113366668888", amount=dong(79_000), purpose="Ung Ho Quy Vac Xin"
    ),
    "00020101021238530010A0000007270123000697041601092576788590208QRIBFTTA53037045405100005802VN"
    "62150811Chuyen tien630453E6": lambda: vietqr("970416", "257678859", amount=dong(10_000), purpose="Chuyen tien"),
    "00020101021138530010A0000007270123000697041601092576788590208QRIBFTTA53037045802VN6304AE9F": lambda: vietqr(
        "970416", "257678859"
    ),
}
OTHERS = [
    promptpay(ewallet="004999000000001", amount=baht(99_999_999)),
    promptpay_bill("112233445566778", "A"),
    vietqr("970436", "9704360012345678", amount=dong(1), to_card=True),
    upi_link("ravi@okhdfcbank", "Ravi & Söhne", amount=rupees(55_666_00), note="INV/26-27/0042", reference="INV-42"),
    upi_link("asha@upi", "आशा राव"),
]


@pytest.mark.parametrize("published", PUBLISHED)
def test_a_published_example_is_made_to_the_letter(published: str) -> None:
    assert PUBLISHED[published]() == published


def test_the_checksum_is_the_one_of_its_definition() -> None:
    assert crc16("123456789") == "29B1"


@pytest.mark.parametrize("written", ["0812223333", "+66 81 222 3333", "0066812223333", "081-222-3333"])
def test_a_thai_number_is_known_however_it_is_written(written: str) -> None:
    assert promptpay(mobile=written) == PROMPTPAY


def test_a_upi_link_says_all_of_it_and_writes_spaces_as_apps_read_them() -> None:
    link = upi_link(
        "shop.one@okaxis", "Asha & Co 100%", amount=rupees(1_23_456_05), note="plan + tax #7",
        reference="ORDER/7", category="5411", least=rupees(100),
    )  # fmt: skip
    assert link.startswith("upi://pay?pa=shop.one@okaxis&pn=Asha%20%26%20Co%20100%25&am=123456.05&cu=INR")
    assert "+" not in link
    said = dict(parse_qsl(urlsplit(link).query))
    assert said == {
        "pa": "shop.one@okaxis", "pn": "Asha & Co 100%", "am": "123456.05", "cu": "INR", "mam": "1.00",
        "tn": "plan + tax #7", "tr": "ORDER/7", "mc": "5411",
    }  # fmt: skip


REFUSED: list[tuple[str, Callable[[], str]]] = [
    ("/payee", lambda: upi_link("asha", "Asha")),
    ("/payee", lambda: upi_link("asha@bank&am=1", "Asha")),
    ("/name", lambda: upi_link("asha@bank", "")),
    ("/name", lambda: upi_link("asha@bank", "a\nb")),
    ("/name", lambda: upi_link("asha@bank", "a" * 100)),
    ("/amount", lambda: upi_link("asha@bank", "Asha", amount=rupees(0))),
    ("/amount", lambda: upi_link("asha@bank", "Asha", amount=rupees(-5))),
    ("/amount", lambda: upi_link("asha@bank", "Asha", amount=baht(100))),
    ("/note", lambda: upi_link("asha@bank", "Asha", note="a" * 51)),
    ("/reference", lambda: upi_link("asha@bank", "Asha", reference="a" * 36)),
    ("/reference", lambda: upi_link("asha@bank", "Asha", reference="a b")),
    ("/category", lambda: upi_link("asha@bank", "Asha", category="54")),
    ("/mobile", promptpay),
    ("/mobile", lambda: promptpay(mobile="0812223333", ewallet="004999000000001")),
    ("/mobile", lambda: promptpay(mobile="812223333")),
    ("/mobile", lambda: promptpay(mobile="๐๘๑๒๒๒๓๓๓๓")),
    ("/national_id", lambda: promptpay(national_id="123456789012")),
    ("/national_id", lambda: promptpay(national_id="123456789012³")),
    ("/ewallet", lambda: promptpay(ewallet="1")),
    ("/amount", lambda: promptpay(mobile="0812223333", amount=rupees(100))),
    ("/amount", lambda: promptpay(mobile="0812223333", amount=baht(10**13))),
    ("/biller", lambda: promptpay_bill("1", "A")),
    ("/reference", lambda: promptpay_bill("112233445566778", "abc")),
    ("/reference", lambda: promptpay_bill("112233445566778", "")),
    ("/reference", lambda: promptpay_bill("112233445566778", "A" * 21)),
    ("/reference2", lambda: promptpay_bill("112233445566778", "A", "B-1")),
    ("/bank", lambda: vietqr("97041", "1")),
    ("/account", lambda: vietqr("970416", "")),
    ("/account", lambda: vietqr("970416", "1" * 20)),
    ("/account", lambda: vietqr("970416", "257678859", to_card=True)),
    ("/purpose", lambda: vietqr("970416", "257678859", purpose="Chuyển tiền")),
    ("/purpose", lambda: vietqr("970416", "257678859", purpose="a" * 26)),
    ("/amount", lambda: vietqr("970416", "257678859", amount=baht(1))),
]


@pytest.mark.parametrize(("pointer", "make"), REFUSED)
def test_what_a_code_cannot_say_is_refused_by_its_field(pointer: str, make: Callable[[], str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        make()
    assert refused.value.errors[0].pointer == pointer


def fields_of(text: str) -> dict[str, str]:
    """Tag, length and value, read independently of how they were written."""
    fields = {}
    while text:
        length = int(text[2:4])
        fields[text[:2]], text = text[4 : 4 + length], text[4 + length :]
    return fields


@given(
    st.from_regex(r"\A[A-Za-z0-9]{1,19}\Z"),
    st.integers(1, 10**13 - 1),
    st.from_regex(r"\A[A-Za-z0-9 .,:/()+-]{0,25}\Z"),
)
def test_a_vietnamese_code_gives_back_what_was_put_in(account: str, amount: int, purpose: str) -> None:
    text = vietqr("970436", account, amount=dong(amount), purpose=purpose)
    said = fields_of(text)
    assert list(said)[-1] == "63"
    assert crc16(text[:-4]) == said["63"]
    assert (said["54"], said["53"], said["58"], said["01"]) == (str(amount), "704", "VN", "12")
    assert fields_of(fields_of(said["38"])["01"]) == {"00": "970436", "01": account}
    assert fields_of(said["62"])["08"] == purpose if purpose else "62" not in said


def test_a_scanner_reads_every_code_back(tmp_path: Path) -> None:
    texts = [*PUBLISHED, *OTHERS]
    files = [tmp_path / f"{number:02}.png" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_bytes(documents.qr_png(text))
    assert codes_in(*files) == texts


def test_a_code_is_drawn_for_pages_too() -> None:
    assert documents.qr_svg(PROMPTPAY).startswith("<svg")
    assert documents.qr_data_uri(PROMPTPAY).startswith("data:image/svg+xml")


def test_what_no_code_holds_is_refused() -> None:
    with pytest.raises(InvalidInput):
        documents.qr_png("x" * 3_000)
