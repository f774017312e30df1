"""Signatures agree with the vectors of the fact sheet (made with the providers' own code)."""

from tillhouse.sandbox.razorpay import signing
from tillhouse.sandbox.twilio.signing import request_signature


def test_the_checkout_signature_is_razorpays() -> None:
    assert signing.checkout_signature("rzp_test_secret_0001", "order_ABCDEFGHIJKLMN", "pay_ABCDEFGHIJKLMN") == (
        "b6122f29889dff5065bf9591f790d1445230024c2965bb30a73e281f80f17d6a"
    )


def test_the_payment_link_signature_is_razorpays() -> None:
    signature = signing.payment_link_signature(
        "rzp_test_secret_0001", "plink_ABCDEFGHIJKLMN", "INV-1", "paid", "pay_ABCDEFGHIJKLMN"
    )
    assert signature == "7201cb97b2a87fc74c06cdd1b6fa7d995b82297e23b2b54f18dfdcb580893b9f"


def test_the_webhook_signature_is_razorpays() -> None:
    assert signing.webhook_signature("whsec_demo", b'{"entity":"event","event":"payment.captured"}') == (
        "3d46d610f64d10cf439d2d2e1a94d84d9d5ddd4f7c7680bc78fc9d2a2053cfad"
    )


def test_the_request_signature_is_twilios() -> None:
    parameters = {
        "From": "whatsapp:+14155550100",
        "To": "whatsapp:+14155238886",
        "Body": "hi",
        "MessageSid": "SM1",
    }
    assert request_signature("tw_auth_token", "https://example.com/wa", parameters.items()) == (
        "Qf5qyU6Vv9BYipA9QlM4jyz2QRk="
    )
