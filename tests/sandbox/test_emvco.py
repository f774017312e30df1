"""QR texts agree with the examples of the fact sheet, whose checksums were verified."""

import pytest

from tillhouse.sandbox import emvco
from tillhouse.sandbox.sepay.bank import Payment, bank_named, code_text, read_code

VIETQR = (
    "00020101021238560010A0000007270126000697041501121133666688880208QRIBFTTA"
    "53037045405790005802VN62220818Ung Ho Quy Vac Xin63043ACF"
)


def test_vietqr_with_amount_and_purpose() -> None:
    assert emvco.vietqr("970415", "113366668888", 79_000, "Ung Ho Quy Vac Xin") == VIETQR


def test_vietqr_without_amount_is_static() -> None:
    assert emvco.vietqr("970416", "257678859") == (
        "00020101021138530010A0000007270123000697041601092576788590208QRIBFTTA53037045802VN6304AE9F"
    )


def test_promptpay_names_biller_reference_and_amount() -> None:
    text = emvco.promptpay_bill("112233445566778", "CUSTOMER001", 30_050)
    fields = emvco.parse(text)
    assert emvco.is_sealed(text)
    assert (fields["01"], fields["53"], fields["54"], fields["58"]) == ("12", "764", "300.50", "TH")
    biller = emvco.parse(fields["30"])
    assert biller == {"00": "A000000677010112", "01": "112233445566778", "02": "CUSTOMER001"}


@pytest.mark.parametrize(
    "text",
    [
        "00020101021129370016A0000006770101110113006681222333353037645802TH63041DCF",
        "00020101021230640016A00000067701011201151122334455667780211CUSTOMER0010306INV00153037645802TH5406300.006304C316",
        VIETQR,
    ],
)
def test_the_checksum_is_the_one_that_scanners_know(text: str) -> None:
    assert emvco.is_sealed(text)
    assert not emvco.is_sealed(text.replace("5802", "5803"))


def test_diacritics_do_not_reach_the_code() -> None:
    bank = bank_named("VCB")
    assert bank is not None
    assert bank == bank_named("970436") == bank_named("vietcombank")
    text = code_text(bank, "0071000888888", 150_000, "Đơn hàng DH1709")
    assert read_code(text) == Payment("0071000888888", 150_000, "Don hang DH1709")


@pytest.mark.parametrize(
    "text", ["", "hello", VIETQR[:-1] + "0", "6304FFFF", VIETQR.replace("A000000727", "A000000728")]
)
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_code(text)
