"""Every body that we read from a payment provider, whole, as its documentation has it, and what we make of it.

`tests/recorded/README.md` says where each comes from. A file that no table here expects fails.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import text

from tests.money.test_webhook_fuzz import signed
from tests.parts.payments.till import Till
from tillhouse.kernel.money import Money
from tillhouse.kernel.outbound import Outbound
from tillhouse.kernel.work import run_due
from tillhouse.parts.payments.domain import (
    DisputeFacts,
    DisputeState,
    Method,
    OrderState,
    PaymentFacts,
    PayoutFacts,
    PayoutState,
    RefundFacts,
    RefundState,
    TransferFacts,
    Vpa,
)
from tillhouse.parts.payments.domain.cards import CardFacts, CardRef
from tillhouse.parts.payments.domain.statements import CsvColumns, read_statements
from tillhouse.parts.payments.ports import (
    AccountFacts,
    CheckoutQr,
    CheckoutRedirect,
    EventSource,
    GatewayOrder,
    OrderRequest,
    Payee,
    ProviderEvent,
    Refused,
    SettlementLine,
)
from tillhouse.parts.payments.providers.omise.cards import OmiseCards
from tillhouse.parts.payments.providers.omise.client import OmiseClient
from tillhouse.parts.payments.providers.omise.gateway import OmiseGateway
from tillhouse.parts.payments.providers.omise.payouts import OmiseTransfers
from tillhouse.parts.payments.providers.omise.settings import OmiseSettings
from tillhouse.parts.payments.providers.omise.wire import Page, RecipientWire
from tillhouse.parts.payments.providers.razorpay.afterwards import RazorpayAfterwards
from tillhouse.parts.payments.providers.razorpay.cards import RazorpayCards
from tillhouse.parts.payments.providers.razorpay.client import RazorpayClient
from tillhouse.parts.payments.providers.razorpay.gateway import RazorpayGateway
from tillhouse.parts.payments.providers.razorpay.mandates import new_customer
from tillhouse.parts.payments.providers.razorpay.settings import RazorpaySettings
from tillhouse.parts.payments.providers.razorpay.wire import OrderWire, RecurringWire
from tillhouse.parts.payments.providers.razorpayx.gateway import RazorpayXGateway
from tillhouse.parts.payments.providers.razorpayx.settings import RazorpayXSettings
from tillhouse.parts.payments.providers.razorpayx.wire import Made
from tillhouse.parts.payments.providers.sepay.client import SepayClient
from tillhouse.parts.payments.providers.sepay.gateway import SepayGateway
from tillhouse.parts.payments.providers.sepay.settings import SepaySettings
from tillhouse.parts.payments.providers.stripe.cards import StripeCards
from tillhouse.parts.payments.providers.stripe.client import StripeClient
from tillhouse.parts.payments.providers.stripe.connect import StripeConnect
from tillhouse.parts.payments.providers.stripe.gateway import StripeGateway
from tillhouse.parts.payments.providers.stripe.settings import StripeSettings

RECORDED = Path(__file__).parents[2] / "recorded"
PROVIDERS = ("omise", "razorpay", "razorpayx", "sepay", "statements", "stripe")
FILES = sorted(str(one.relative_to(RECORDED)) for name in PROVIDERS for one in (RECORDED / name).iterdir())


def told(name: str, event_id: str = "", **about: Any) -> ProviderEvent:
    """An event of that name. Razorpay says its id in a header, which no published body has."""
    return ProviderEvent(event_id=event_id, name=name, **about)


EVENTS: Mapping[str, ProviderEvent] = {
    "omise/charge.complete.json": told(
        event_id="evnt_test_at7nmnscw57cencwc13",
        name="charge.complete",
        payment_id="chrg_test_wffo4pdpsty5gvua40h",
        order_id="chrg_test_wffo4pdpsty5gvua40h",
        amount=Money(64_000, "THB"),
    ),
    "omise/charge.create.authorized.json": told(
        event_id="evnt_test_k6hk4mqe8foqvr7sbk6",
        name="charge.create",
        payment_id="chrg_test_jbtn1uz18u4av66ea15",
        order_id="chrg_test_jbtn1uz18u4av66ea15",
        amount=Money(153_000, "THB"),
    ),
    "omise/charge.create.json": told(
        event_id="evnt_test_mk58dy8g2a7t09avynr",
        name="charge.create",
        payment_id="chrg_test_py6icod7hua3w24qukx",
        order_id="chrg_test_py6icod7hua3w24qukx",
        amount=Money(71_500, "THB"),
    ),
    "omise/dispute.create.json": told(
        event_id="evnt_test_o3kb0yk2u89oazt4asx",
        name="dispute.create",
        payment_id="chrg_test_8dis0c9z54zjiqiyww3",
        dispute_id="dspt_test_bavmj2k86dgf1om25bn",
    ),
    "omise/recipient.verify.json": told(
        event_id="evnt_test_gci9g8yr4pyr00kw509", name="recipient.verify", check_id="recp_test_htphte5s4nojf5cqrnh"
    ),
    "omise/refund.create.json": told(
        event_id="evnt_test_bq67c60wijnu51czs91",
        name="refund.create",
        payment_id="chrg_test_ow6aes3cg433vqgzp4t",
        refund_id="rfnd_test_irz9ymemhunxe64wiks",
    ),
    "omise/transfer.destroy.json": told(
        event_id="evnt_test_2dn9i9g9jja3n0piv6i", name="transfer.destroy", payout_id="trsf_test_5fm1964nery1ijw74t5"
    ),
    "omise/transfer.pay.json": told(
        event_id="evnt_test_a1qc3r59cwv3zckv33q",
        name="transfer.pay",
        payout_id="trsf_test_d2b2brbpbxfbte2z4jy",
        amount=Money(87_650, "THB"),
    ),
    "razorpay/order.paid.json": told(
        name="order.paid", payment_id="pay_ScpNysW7shkv9Y", order_id="order_oihfYtLFmEiByQ", amount=Money(100, "INR")
    ),
    "razorpay/payment.authorized.json": told(
        name="payment.authorized",
        payment_id="pay_3EuBgkqT3ueFE7",
        order_id="order_ZEkbVpDBmK5t6c",
        amount=Money(100, "INR"),
    ),
    "razorpay/payment.captured.card.json": told(
        name="payment.captured",
        payment_id="pay_Sr6FTitajdUUKd",
        order_id="order_DHmhicr2XhhWM6",
        amount=Money(100, "INR"),
    ),
    "razorpay/payment.captured.upi.json": told(
        name="payment.captured",
        payment_id="pay_ScpNysW7shkv9Y",
        order_id="order_oihfYtLFmEiByQ",
        amount=Money(100, "INR"),
    ),
    "razorpay/payment.dispute.action_required.json": told(
        name="payment.dispute.action_required",
        payment_id="pay_EJvcRdg73MZZHC",
        order_id="order_atqqam85KXobgF",
        dispute_id="disp_S4qASw56eeWwDA",
    ),
    "razorpay/payment.dispute.closed.json": told(
        name="payment.dispute.closed", payment_id="pay_jMBzMyVCV4Te9A", dispute_id="disp_F3R7ZMj6GSFCMw"
    ),
    "razorpay/payment.dispute.created.json": told(
        name="payment.dispute.created",
        payment_id="pay_EJvcRdg73MZZHC",
        order_id="order_atqqam85KXobgF",
        dispute_id="disp_S4qASw56eeWwDA",
    ),
    "razorpay/payment.dispute.lost.json": told(
        name="payment.dispute.lost",
        payment_id="pay_EJvcRdg73MZZHC",
        order_id="order_atqqam85KXobgF",
        dispute_id="disp_S4qASw56eeWwDA",
    ),
    "razorpay/payment.dispute.under_review.json": told(
        name="payment.dispute.under_review", payment_id="pay_qdGCixwcYPQE2r", dispute_id="disp_xFSE8CHErGNZjy"
    ),
    "razorpay/payment.dispute.won.json": told(
        name="payment.dispute.won", payment_id="pay_qdGCixwcYPQE2r", dispute_id="disp_xFSE8CHErGNZjy"
    ),
    "razorpay/payment.failed.json": told(
        name="payment.failed",
        payment_id="pay_6dxcvXWPk38UeY",
        order_id="order_aiYZdb8mSrY28i",
        amount=Money(50_000, "INR"),
    ),
    "razorpay/payment_link.cancelled.json": told(
        name="payment_link.cancelled", order_id="plink_p4VFVJBDEHEPmR", amount=Money(1_000, "INR")
    ),
    "razorpay/payment_link.expired.json": told(
        name="payment_link.expired", order_id="plink_rfLomgGVbV3Evp", amount=Money(1_000, "INR")
    ),
    "razorpay/payment_link.paid.json": told(
        name="payment_link.paid",
        payment_id="pay_WPmvoVLbxzVA3w",
        order_id="plink_3zfcWaFQ5JRcdP",
        amount=Money(1_000, "INR"),
    ),
    "razorpay/qr_code.closed.json": told(name="qr_code.closed", order_id="qr_ht7B9BoYZJHZjV"),
    "razorpay/qr_code.created.json": told(name="qr_code.created", order_id="qr_ht7B9BoYZJHZjV"),
    "razorpay/qr_code.credited.json": told(
        name="qr_code.credited", payment_id="pay_pKPSMttSENKcvf", order_id="qr_ht7B9BoYZJHZjV", amount=Money(200, "INR")
    ),
    "razorpay/refund.created.json": told(
        name="refund.created",
        payment_id="pay_TVLPakbjSPcHow",
        order_id="order_5b9BcZeTnhAJQW",
        refund_id="rfnd_KQVraEQwsvzZNv",
    ),
    "razorpay/refund.failed.json": told(
        name="refund.failed",
        payment_id="pay_TVLPakbjSPcHow",
        order_id="order_5b9BcZeTnhAJQW",
        refund_id="rfnd_KQVraEQwsvzZNv",
    ),
    "razorpay/refund.processed.json": told(
        name="refund.processed",
        payment_id="pay_TVLPakbjSPcHow",
        order_id="order_5b9BcZeTnhAJQW",
        refund_id="rfnd_KQVraEQwsvzZNv",
    ),
    "razorpay/refund.speed_changed.json": told(
        name="refund.speed_changed",
        payment_id="pay_Y9vGGnJHCkiCDi",
        order_id="order_5b9BcZeTnhAJQW",
        refund_id="rfnd_8VSLEVnMADAEVB",
    ),
    "razorpay/token.cancelled.card.json": told(name="token.cancelled", authorisation_id="token_jhTa6hqrZma47s"),
    "razorpay/token.cancelled.upi.json": told(name="token.cancelled", authorisation_id="token_sRPPdMaLSn4CuG"),
    "razorpay/token.paused.json": told(name="token.paused", authorisation_id="token_sRPPdMaLSn4CuG"),
    "razorpay/token.rejected.json": told(name="token.rejected", authorisation_id="token_8uSaHbuAYBHsjB"),
    "razorpayx/fund_account.validation.completed.bank_account.json": told(
        name="fund_account.validation.completed", check_id="fav_3QrsRTmeiojKJa"
    ),
    "razorpayx/fund_account.validation.completed.vpa.json": told(
        name="fund_account.validation.completed", check_id="fav_3QrsRTmeiojKJa"
    ),
    "razorpayx/fund_account.validation.failed.json": told(
        name="fund_account.validation.failed", check_id="fav_3QrsRTmeiojKJa"
    ),
    "razorpayx/payout.downtime.started.json": told(name="payout.downtime.started"),
    "razorpayx/payout.failed.json": told(
        name="payout.failed", payout_id="pout_xPujLfzyMVuDMj", amount=Money(100, "INR")
    ),
    "razorpayx/payout.initiated.json": told(
        name="payout.initiated", payout_id="pout_xPujLfzyMVuDMj", amount=Money(100, "INR")
    ),
    "razorpayx/payout.pending.json": told(
        name="payout.pending", payout_id="pout_xPujLfzyMVuDMj", amount=Money(100, "INR")
    ),
    "razorpayx/payout.processed.json": told(
        name="payout.processed", payout_id="pout_KMeDoZc3sUEb3y", amount=Money(100, "INR")
    ),
    "razorpayx/payout.queued.json": told(
        name="payout.queued", payout_id="pout_xPujLfzyMVuDMj", amount=Money(286_540, "INR")
    ),
    "razorpayx/payout.rejected.json": told(
        name="payout.rejected", payout_id="pout_xPujLfzyMVuDMj", amount=Money(10_000, "INR")
    ),
    "razorpayx/payout.reversed.json": told(
        name="payout.reversed", payout_id="pout_xPujLfzyMVuDMj", amount=Money(212, "INR")
    ),
    "razorpayx/payout.updated.json": told(
        name="payout.updated", payout_id="pout_xPujLfzyMVuDMj", amount=Money(2_000_000, "INR")
    ),
    "sepay/bank_webhook.json": told(event_id="92704", name="transfer.in", transfer_id="92704"),
    "sepay/bank_webhook.out.json": told(event_id="92705", name="transfer.out", transfer_id="92705"),
    "sepay/ipn.order_paid.json": told(
        event_id="ORDER_PAID:INV-1759134601:384c66dd-41e6-4316-a544-b41416825901:APPROVED",
        name="ORDER_PAID",
        payment_id="INV-1759134601-384c66dd-41e6-4316-a544-b41416825901",
        order_id="INV-1759134601",
        amount=Money(100_000, "VND"),
    ),
    "sepay/ipn.order_paid.numbers.json": told(
        event_id="ORDER_PAID:INV-1759134601:11:APPROVED",
        name="ORDER_PAID",
        payment_id="INV-1759134601-11",
        order_id="INV-1759134601",
        amount=Money(100_000, "VND"),
    ),
    "sepay/ipn.transaction_void.json": told(
        event_id="TRANSACTION_VOID:INV-1759134601:384c66dd-41e6-4316-a544-b41416825901:APPROVED",
        name="TRANSACTION_VOID",
        payment_id="INV-1759134601-384c66dd-41e6-4316-a544-b41416825901",
        order_id="INV-1759134601",
        amount=Money(100_000, "VND"),
    ),
    "stripe/charge.dispute.closed.json": told(
        event_id="evt_rs384SnfsTuWxAZWc3Ezrfsu",
        name="charge.dispute.closed",
        payment_id="pi_ajfCL9zX9ugEQYtyhmYKMo4z",
        dispute_id="du_higLzTbzqmX7LzVKvoZLDUm9",
    ),
    "stripe/charge.dispute.created.json": told(
        event_id="evt_sqFpUaMBJUNBQXPSFRUWdhTx",
        name="charge.dispute.created",
        payment_id="pi_ajfCL9zX9ugEQYtyhmYKMo4z",
        dispute_id="du_higLzTbzqmX7LzVKvoZLDUm9",
    ),
    "stripe/charge.refunded.json": told(
        event_id="evt_FLVUM2UjdnKuyenKjwUmGMor", name="charge.refunded", payment_id="pi_dgmGkVSkJHrowhDuRJGikhxT"
    ),
    "stripe/checkout.session.async_payment_succeeded.json": told(
        event_id="evt_aoXjTDdDgdLg84BHu4mYrZ45",
        name="checkout.session.async_payment_succeeded",
        payment_id="pi_dgmGkVSkJHrowhDuRJGikhxT",
        order_id="cs_test_u2fnojC2sUCcJNTYzYEPb6XDEdGR9ZmNNYm9EabNKAWKgFnAdFh8jMqUhL",
        receipt="5d2f9c347a1b4c7e8f0d3b6a9e1c2d30",
        amount=Money(3_600, "USD"),
    ),
    "stripe/checkout.session.completed.json": told(
        event_id="evt_m7FKzGdAKNgWmCE4hECRZZLK",
        name="checkout.session.completed",
        payment_id="pi_dgmGkVSkJHrowhDuRJGikhxT",
        order_id="cs_test_u2fnojC2sUCcJNTYzYEPb6XDEdGR9ZmNNYm9EabNKAWKgFnAdFh8jMqUhL",
        receipt="5d2f9c347a1b4c7e8f0d3b6a9e1c2d30",
        amount=Money(3_600, "USD"),
    ),
    "stripe/checkout.session.completed.setup.json": told(
        event_id="evt_PKdiFJaTwT3pNkCyKHfgMLR3", name="checkout.session.completed"
    ),
    "stripe/checkout.session.expired.json": told(
        event_id="evt_PXWMMxKATkmgikFZnk5Zaa2N",
        name="checkout.session.expired",
        payment_id="pi_dgmGkVSkJHrowhDuRJGikhxT",
        order_id="cs_test_u2fnojC2sUCcJNTYzYEPb6XDEdGR9ZmNNYm9EabNKAWKgFnAdFh8jMqUhL",
        receipt="5d2f9c347a1b4c7e8f0d3b6a9e1c2d30",
        amount=Money(3_600, "USD"),
    ),
    "stripe/payment_intent.canceled.json": told(
        event_id="evt_mQ4VnU8p6zxScpMDNJVqmtEw",
        name="payment_intent.canceled",
        payment_id="pi_dgmGkVSkJHrowhDuRJGikhxT",
        amount=Money(3_600, "USD"),
    ),
    "stripe/payment_intent.payment_failed.json": told(
        event_id="evt_7aQr7NWp3FzdHNGCqt8B4SF6",
        name="payment_intent.payment_failed",
        payment_id="pi_dgmGkVSkJHrowhDuRJGikhxT",
        amount=Money(3_600, "USD"),
    ),
    "stripe/payment_intent.succeeded.json": told(
        event_id="evt_bJGC6SvAkNuf9uVREYbfBzCw",
        name="payment_intent.succeeded",
        payment_id="pi_dgmGkVSkJHrowhDuRJGikhxT",
        amount=Money(3_600, "USD"),
    ),
    "stripe/payout.paid.json": told(event_id="evt_9PsaorN6vndTySyK9yJjCH6e", name="payout.paid"),
    "stripe/refund.created.json": told(
        event_id="evt_hYq7skBKzpWBLcwiBv7TWCHF",
        name="refund.created",
        payment_id="pi_ajfCL9zX9ugEQYtyhmYKMo4z",
        refund_id="re_KyGVUo7C9N87uUK9kEEYBhGs",
    ),
    "stripe/refund.failed.json": told(
        event_id="evt_QNtUS9ef93XHaS2G2KtPzLxu",
        name="refund.failed",
        payment_id="pi_ajfCL9zX9ugEQYtyhmYKMo4z",
        refund_id="re_KyGVUo7C9N87uUK9kEEYBhGs",
    ),
    "stripe/setup_intent.created.json": told(event_id="evt_knVjgVmSsRd4t5pM9pUF4GY5", name="setup_intent.created"),
    "stripe/transfer.created.json": told(
        event_id="evt_LfiJ6cZ9f6rRbztUK24JXfFi",
        name="transfer.created",
        payout_id="tr_JULvxxWXJuLYMctwDcgJ6njv",
        payout_reference="TRIP-2231",
        amount=Money(950, "USD"),
    ),
    "stripe/transfer.reversed.json": told(
        event_id="evt_brNKbkvjP9StDVyKvNyrfveh",
        name="transfer.reversed",
        payout_id="tr_JULvxxWXJuLYMctwDcgJ6njv",
        payout_reference="TRIP-2231",
        amount=Money(950, "USD"),
    ),
}


def door_of(file: str) -> str:
    """SePay's bank and its payment gateway share an address and not a proof."""
    provider, _, name = file.partition("/")
    return "sepay_pg" if name.startswith("ipn.") else provider


@pytest.mark.parametrize("file", EVENTS)
def test_an_event_tells_of_what_its_provider_published(file: str) -> None:
    body = (RECORDED / file).read_bytes()
    headers = {name: value for name, value in signed(door_of(file), body).items() if name != "x-razorpay-event-id"}
    assert source_of(file).read_event(body, httpx.Headers(headers)) == EVENTS[file]


async def knock(till: Till, door: str, body: bytes, headers: Mapping[str, str]) -> int:
    """One request at a provider's door; each from an address of its own, or a burst would meet the rate limit."""
    sender = (f"10.8.{len(body) % 250}.{sum(body) % 250}", 443)
    transport = httpx.ASGITransport(app=till.app, client=sender)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return (await client.post(f"/api/v1/payments/webhook/{door}", content=body, headers=headers)).status_code


async def test_the_doors_take_every_published_event_in_and_book_nothing_of_strangers_money(till: Till) -> None:
    """None of them is about anything of ours: each is put before somebody or is about nothing, and no money moves."""
    for file in EVENTS:
        door, body = door_of(file), (RECORDED / file).read_bytes()
        assert await knock(till, door.removesuffix("_pg"), body, signed(door, body)) == 200, file
    await run_due(till.house)
    async with till.house.database.reading() as session:
        rows = (await session.execute(text("SELECT name, state FROM payments.provider_events"))).all()
        booked = (await session.execute(text("SELECT count(*) FROM ledger.accounts WHERE balance <> 0"))).scalar_one()
    assert len(rows) == len(EVENTS)
    assert {row.state for row in rows} <= {"parked", "ignored"}
    assert booked == 0


# --- answers --------------------------------------------------------------------------------------------------------

KEY = UUID("5d2f9c34-7a1b-4c7e-8f0d-3b6a9e1c2d10")


@dataclass(frozen=True)
class Outside:
    """Providers that answer every call with a recorded body; `files` by a part of the address, else the first."""

    first: str
    files: Mapping[str, str] = field(default_factory=dict)
    status: int = 200

    def answer(self, request: httpx.Request) -> httpx.Response:
        found = next((file for part, file in self.files.items() if part in request.url.path), self.first)
        return httpx.Response(self.status, content=(RECORDED / found).read_bytes())

    @property
    def outbound(self) -> Outbound:
        return Outbound(mounts={"http://sandbox": httpx.MockTransport(self.answer)})

    @property
    def razorpay(self) -> RazorpayClient:
        return RazorpayClient(self.outbound, RazorpaySettings(), sandbox="http://sandbox")

    @property
    def razorpayx(self) -> RazorpayXGateway:
        return RazorpayXGateway(self.outbound, RazorpayXSettings(), sandbox="http://sandbox")

    @property
    def stripe(self) -> StripeClient:
        return StripeClient(self.outbound, StripeSettings(), sandbox="http://sandbox")

    @property
    def omise(self) -> OmiseClient:
        return OmiseClient(self.outbound, OmiseSettings(), sandbox="http://sandbox")

    @property
    def sepay(self) -> SepayGateway:
        settings = SepaySettings()
        return SepayGateway(SepayClient(self.outbound, settings, sandbox="http://sandbox"), settings)


def wish(method: Method, receipt: str, minor: int, unit: str) -> OrderRequest:
    return OrderRequest(
        receipt=receipt, amount=Money(minor, unit), method=method, title="t", purpose="p",
        return_url="http://house/", expires_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def inr(minor: int) -> Money:
    return Money(minor, "INR")


def thb(minor: int) -> Money:
    return Money(minor, "THB")


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def razorpay(at: Outside) -> RazorpayGateway:
    return RazorpayGateway(at.razorpay)


def afterwards(at: Outside) -> RazorpayAfterwards:
    return RazorpayAfterwards(at.razorpay)


def stripe(at: Outside) -> StripeGateway:
    return StripeGateway(at.stripe)


def omise(at: Outside) -> OmiseGateway:
    return OmiseGateway(at.omise, "pkey_test")


def transfers(at: Outside) -> OmiseTransfers:
    return OmiseTransfers(at.omise, OmiseSettings().transfer_fees)


def source_of(file: str) -> EventSource:
    """Who reads what came at the door of that file's provider."""
    at = Outside(file)
    sources: Mapping[str, EventSource] = {
        "razorpay": razorpay(at), "razorpayx": at.razorpayx, "stripe": stripe(at), "omise": omise(at),
        "sepay": at.sepay,
    }  # fmt: skip
    return sources[file.partition("/")[0]]


def disputed(state: DisputeState, reason: str = "chargeback") -> DisputeFacts:
    return DisputeFacts(
        provider="razorpay", dispute_id="disp_jR4xFPqAVGHRVx", payment_id="pay_aaFq3jaaArozTL", amount=inr(100_00),
        state=state, reason=reason, respond_by=datetime(2020, 5, 27, 18, 30, tzinfo=UTC),
    )  # fmt: skip


def given_back(
    provider: str, refund_id: str, payment_id: str, amount: Money, reference: str | None = None
) -> RefundFacts:
    return RefundFacts(
        provider=provider, refund_id=refund_id, payment_id=payment_id, amount=amount,
        state=RefundState.PROCESSED, reference=reference,
    )  # fmt: skip


def settled(
    kind: Any, subject: str, gross: int, fee: int, tax: int, *, utr: str = "1568176960vxp0rj"
) -> SettlementLine:
    return SettlementLine(
        settlement_id=SETTLEMENT, line_id=f"{SETTLEMENT}:{subject}", kind=kind, subject_id=subject,
        gross=inr(gross), fee=inr(fee), tax=inr(tax), settled_on=date(2019, 9, 11), bank_reference=utr,
    )  # fmt: skip


CARD = CardRef("cust_ryw2", "token_sue2", "pay_sue2")
SETTLEMENT = "setl_U8PJcc9UJyZRwP"
CHARGE, INTENT = "chrg_test_wffo4pdpsty5gvua40h", "pi_dgmGkVSkJHrowhDuRJGikhxT"
TRY = PaymentFacts(
    provider="razorpay", payment_id="pay_uMMnTuVZHWrJcV", order_id="order_ID", amount=inr(100),
    state=OrderState.CAPTURED, method="upi", fee=2, tax=0,
)  # fmt: skip
CHARGED = PaymentFacts(
    provider="omise", payment_id=CHARGE, order_id=CHARGE, amount=thb(640_00), state=OrderState.CAPTURED,
    method="card", fee=22_26, tax=1_46,
)  # fmt: skip
PAYOUT = PayoutFacts(
    provider="razorpayx", payout_id="pout_rnBTXeRRAVhyPY", reference="Acme Transaction ID 12345",
    amount=inr(10_000_00), state=PayoutState.PROCESSED, fee=590, tax=90,
)  # fmt: skip
LINE = TransferFacts(
    provider="sepay", transfer_id="49682", account="0071000888888", amount=Money(18_067_000, "VND"), direction="in",
    content="NGUYEN VAN AN chuyen tien mua hang", code=None,
    at=datetime(2023, 5, 5, 19, 59, 48, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh")), bank_reference="677760.050523.080001",
)  # fmt: skip

SESSION = "cs_test_u2fnojC2sUCcJNTYzYEPb6XDEdGR9ZmNNYm9EabNKAWKgFnAdFh8jMqUhL"
ARRIVAL = date(2026, 11, 2)
CHECKED = UUID("5d2f9c34-7a1b-4c7e-8f0d-3b6a9e1c2d21")
# Line, kind, subject, gross, fee, tax.
Moved = tuple[str, Literal["payment", "payout"], str, int, int, int]
STRIPES_LINES: tuple[Moved, ...] = (
    ("txn_LEsMnHUbQtpYMM6nizBPvmDG", "payout", "tr_JULvxxWXJuLYMctwDcgJ6njv", -9_50, 0, 0),
    ("txn_AN62bCcmy9odmWXtaPaAdaHR", "payment", INTENT, 36_00, 1_56, 24),
)
OMISES_LINES: tuple[Moved, ...] = (
    ("trxn_test_zpvxwi6d4ym8kaaf1d0", "payment", CHARGE, 640_00, 22_26, 1_46),
    ("trxn_test_j1zcykcngnxvefthr74", "payout", "trsf_test_d2b2brbpbxfbte2z4jy", -876_50, 0, 0),
)


async def every(listed: AsyncIterator[RecipientWire]) -> list[tuple[str, bool, bool, str | None]]:
    return [(one.id, one.verified, one.active, one.bank_account and one.bank_account.name) async for one in listed]


Asked = Callable[[Outside], Awaitable[object]]
ANSWERS: Mapping[str, tuple[Asked, object]] = {
    "razorpay/api.order_payments.json": (
        lambda at: razorpay(at).payments_of("order_ID"),
        [
            TRY,
            replace(
                TRY,
                payment_id="pay_EVHuVXYEjnmBYr",
                state=OrderState.FAILED,
                fee=None,
                tax=None,
                error_code="payment_failed",
                error_message="Payment was unsuccessful due to a temporary issue. "
                "If amount got deducted, it will be refunded within 5-7 working days.",
            ),
        ],
    ),
    "razorpay/api.payment.json": (
        lambda at: razorpay(at).fetch_payment("pay_ID", order_id="order_ID"),
        replace(TRY, payment_id="pay_qUqjmJZFCHepaA", order_id="order_M9HaATBvryFCQj", fee=0),
    ),
    "razorpay/api.payment.failed.json": (
        lambda at: razorpay(at).fetch_payment("pay_ID", order_id="order_ID"),
        PaymentFacts(
            provider="razorpay",
            payment_id="pay_Q4euL4RA3gBpFT",
            order_id="order_5K4LgRN7wBkSZr",
            amount=inr(10_00),
            state=OrderState.FAILED,
            method="upi",
            error_code="upi_dummy_payment",
            error_message="Payment was a dummy payment for one time mandate registration.",
        ),
    ),
    "razorpay/api.refund.json": (
        lambda at: afterwards(at).fetch_refund(refund_id="rfnd_1", payment_id=""),
        given_back("razorpay", "rfnd_Hs7QmVd2LxPa9k", "pay_fCiThxdKtVqZgy", inr(825_00), "RF-2218"),
    ),
    "razorpay/api.refunds.json": (
        lambda at: afterwards(at).refunds_of("pay_1"),
        [
            given_back("razorpay", "rfnd_Er4LS58jAQ8CDT", "pay_LoaENbQKQjEjK8", inr(3_001_00)),
            given_back("razorpay", "rfnd_pQw4VgdDRz5kUw", "pay_LoaENbQKQjEjK8", inr(2_000_00)),
        ],
    ),
    "razorpay/api.dispute.open.json": (
        lambda at: afterwards(at).fetch_dispute("disp_1"),
        disputed(DisputeState.OPEN, "pre_arbitration"),
    ),
    "razorpay/api.dispute.won.json": (
        lambda at: afterwards(at).fetch_dispute("disp_1"),
        replace(disputed(DisputeState.LOST), lost_part=10_00),
    ),
    "razorpay/api.dispute.lost.json": (lambda at: afterwards(at).fetch_dispute("disp_1"), disputed(DisputeState.LOST)),
    "razorpay/api.dispute.closed.json": (lambda at: afterwards(at).fetch_dispute("disp_1"), disputed(DisputeState.WON)),
    "razorpay/api.qr_code.json": (
        lambda at: razorpay(at).create_order(wish(Method.UPI_QR, "r", 300, "INR")),
        GatewayOrder(
            "qr_65hVQNk9qiVj7M",
            CheckoutQr(
                "upi://pay?pa=shop.razorpay@hdfcbank&pn=Shop&tr=RZPGT5viB4WHeoUuuqrv2&tn=Shop&am=100&cu=INR&mc=5411",
                "https://rzp.io/i/BWcUVrLp",
                closes_at=1_681_615_838,
            ),
        ),
    ),
    "razorpay/api.payment_link.json": (
        lambda at: razorpay(at).create_order(wish(Method.PAYMENT_LINK, "r", 450_00, "INR")),
        GatewayOrder("plink_XvJkV6XoJyJTNG", CheckoutRedirect("https://rzp.io/i/q7TnB2z")),
    ),
    "razorpay/api.order.json": (
        lambda at: at.razorpay.post(OrderWire, "/orders"),
        OrderWire(
            id="order_pCFHnqU4fkC2DK",
            amount=1000,
            currency="INR",
            status="created",
            receipt="Receipt No. 1",
            notes={"notes_key_1": "Tea, Earl Grey, Hot", "notes_key_2": "Tea, Earl Grey… decaf."},
        ),
    ),
    "razorpay/api.token.upi.json": (lambda at: RazorpayCards(at.razorpay).standing(CARD), "kept"),
    "razorpay/api.token.card.json": (lambda at: RazorpayCards(at.razorpay).standing(CARD), "ended"),
    "razorpay/api.recurring.json": (
        lambda at: at.razorpay.post(RecurringWire, "/payments/create/recurring"),
        RecurringWire(razorpay_payment_id="pay_xPujLfzyMVuDMj"),
    ),
    "razorpay/api.customer.json": (
        lambda at: new_customer(at.razorpay, wish(Method.CARD, "r", 100, "INR")),
        "cust_xPujLfzyMVuDMj",
    ),
    "razorpay/api.settlement_recon.json": (
        lambda at: afterwards(at).settled_on(date(2019, 9, 11)),
        [
            settled("payment", "pay_9UyR7dLR8TgHbB", 1_000_00, 29_00, 0),
            settled("refund", "rfnd_2TMjSGfoXXF7ME", -2_425_00, 0, 0),
            settled("payout", "trf_FAFkHpuibGPpiL", -1_000_00, 2_96, 46),
            settled("adjustment", "adj_AsKxt6UNgnJQHR", 10_12, 0, 0, utr=""),
        ],
    ),
    "razorpayx/api.payout.json": (lambda at: at.razorpayx.fetch_payout("pout_1"), PAYOUT),
    "razorpayx/api.payouts.json": (
        lambda at: at.razorpayx.find_payout(KEY),
        replace(
            PAYOUT,
            payout_id="pout_48pNY2sNUFwJBV",
            reference=str(KEY),
            reason="payout_processed",
            message="Payout is processed and the money has been credited into the beneficiaries account",
        ),
    ),
    "razorpayx/api.validations.json": (
        lambda at: at.razorpayx.check_account(key=CHECKED, to=Vpa("ravi@upi"), payee=Payee("Ravi Iyer", "r")),
        AccountFacts("fav_r6cZhcHP7Zh39p", "valid", registered_name="Ravi Iyer"),
    ),
    "stripe/api.payment_intent.json": (
        lambda at: stripe(at).payments_of(INTENT),
        [
            PaymentFacts(
                provider="stripe",
                payment_id=INTENT,
                order_id=INTENT,
                amount=usd(36_00),
                state=OrderState.PENDING,
                method="",
            )
        ],
    ),
    "stripe/api.payment_intent.paid.json": (
        lambda at: stripe(at).payments_of(INTENT),
        [
            PaymentFacts(
                provider="stripe",
                payment_id=INTENT,
                order_id=INTENT,
                amount=usd(36_00),
                state=OrderState.CAPTURED,
                method="card",
                fee=156,
                tax=24,
            )
        ],
    ),
    "stripe/api.checkout_session.json": (
        lambda at: stripe(at).create_order(wish(Method.CHECKOUT, "r", 3600, "USD")),
        GatewayOrder(SESSION, CheckoutRedirect(f"https://checkout.stripe.com/pay/c/{SESSION}")),
    ),
    "stripe/api.refund.json": (
        lambda at: stripe(at).fetch_refund(refund_id="re_1", payment_id=""),
        given_back("stripe", "re_KyGVUo7C9N87uUK9kEEYBhGs", "pi_ajfCL9zX9ugEQYtyhmYKMo4z", usd(13_50)),
    ),
    "stripe/api.dispute.json": (
        lambda at: stripe(at).fetch_dispute("du_1"),
        DisputeFacts(
            provider="stripe",
            dispute_id="du_higLzTbzqmX7LzVKvoZLDUm9",
            payment_id="",
            amount=usd(27_50),
            state=DisputeState.OPEN,
            reason="general",
            respond_by=datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC),
        ),
    ),
    "stripe/api.dispute.lost.json": (
        lambda at: stripe(at).fetch_dispute("du_1"),
        DisputeFacts(
            provider="stripe",
            dispute_id="du_higLzTbzqmX7LzVKvoZLDUm9",
            payment_id="pi_ajfCL9zX9ugEQYtyhmYKMo4z",
            amount=usd(27_50),
            state=DisputeState.LOST,
            reason="fraudulent",
            fee=20_00,
            respond_by=datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC),
        ),
    ),
    "stripe/api.transfer.json": (
        lambda at: StripeConnect(at.stripe).fetch_payout("tr_1"),
        PayoutFacts(
            provider="stripe",
            payout_id="tr_JULvxxWXJuLYMctwDcgJ6njv",
            reference="TRIP-2231",
            amount=usd(9_50),
            state=PayoutState.PROCESSED,
            came_back=usd(0),
        ),
    ),
    "stripe/api.payment_method.json": (lambda at: StripeCards(at.stripe).standing(CARD), "ended"),
    "stripe/api.payouts.json": (
        lambda at: stripe(replace(at, files={"balance_tr": "stripe/api.balance_transactions.json"})).settled_on(
            ARRIVAL
        ),
        [
            SettlementLine(
                settlement_id="po_gMKMoB5eZM9NfHrMgJT78rxD",
                line_id=line,
                kind=kind,
                subject_id=subject,
                gross=usd(gross),
                fee=usd(fee),
                tax=usd(tax),
                settled_on=ARRIVAL,
                bank_reference="po_gMKMoB5eZM9NfHrMgJT78rxD",
            )
            for line, kind, subject, gross, fee, tax in STRIPES_LINES
        ],
    ),
    "stripe/api.balance_transactions.reversed.json": (
        lambda at: stripe(replace(at, files={"/payouts": "stripe/api.payouts.json"})).settled_on(ARRIVAL),
        [
            SettlementLine(
                settlement_id="po_gMKMoB5eZM9NfHrMgJT78rxD",
                line_id="txn_WwjUKPdVCWJKYSJME7RwPJb6",
                kind="payout",
                subject_id="tr_JULvxxWXJuLYMctwDcgJ6njv/trr_sscv4LVWbANTdSiwNYpaBXN5",
                gross=usd(9_50),
                fee=usd(0),
                tax=usd(0),
                settled_on=ARRIVAL,
                bank_reference="po_gMKMoB5eZM9NfHrMgJT78rxD",
            )
        ],
    ),
    "omise/api.charge.json": (lambda at: omise(at).fetch_payment(CHARGE), CHARGED),
    "omise/api.charge.captured_in_part.json": (
        lambda at: omise(at).fetch_payment(CHARGE),
        replace(CHARGED, amount=thb(240_00), fee=8_35, tax=55),
    ),
    "omise/api.charge.promptpay.json": (
        lambda at: omise(at).create_order(wish(Method.PROMPTPAY, "r", 640_00, "THB")),
        GatewayOrder(
            CHARGE,
            CheckoutQr(
                None,
                f"https://api.omise.co/charges/{CHARGE}/documents/docu_test_szohc88fmkrh4whtxr7/downloads/9D03E1B752F8A6C4",
            ),
        ),
    ),
    "omise/api.refund.json": (
        lambda at: omise(at).fetch_refund(refund_id="rfnd_1", payment_id="chrg_1"),
        given_back("omise", "rfnd_test_irz9ymemhunxe64wiks", "chrg_test_ow6aes3cg433vqgzp4t", thb(125_00)),
    ),
    "omise/api.dispute.json": (
        lambda at: omise(at).fetch_dispute("dspt_1"),
        DisputeFacts(
            provider="omise",
            dispute_id="dspt_test_bavmj2k86dgf1om25bn",
            payment_id="chrg_test_8dis0c9z54zjiqiyww3",
            amount=thb(460_00),
            state=DisputeState.OPEN,
            reason="",
        ),
    ),
    "omise/api.transfer.json": (
        lambda at: transfers(at).fetch_payout("trsf_1"),
        PayoutFacts(
            provider="omise",
            payout_id="trsf_test_d2b2brbpbxfbte2z4jy",
            reference="",
            amount=thb(876_50),
            state=PayoutState.PROCESSED,
        ),
    ),
    "omise/api.transactions.json": (
        lambda at: omise(
            replace(at, files={"/charges/": "omise/api.charge.json", "/transfers/": "omise/api.transfer.json"})
        ).settled_on(date(2026, 5, 12)),
        [
            SettlementLine(
                settlement_id="2026-05-12",
                line_id=line,
                kind=kind,
                subject_id=subject,
                gross=thb(gross),
                fee=thb(fee),
                tax=thb(tax),
                settled_on=date(2026, 5, 12),
            )
            for line, kind, subject, gross, fee, tax in OMISES_LINES
        ],
    ),
    "omise/api.recipient.json": (
        lambda at: transfers(at).fetch_check("recp_1"),
        AccountFacts("recp_test_sue2q8k5x349fry243i", "pending"),
    ),
    "omise/api.recipients.json": (
        lambda at: every(at.omise.every(Page[RecipientWire], "/recipients", {})),
        [("recp_test_htphte5s4nojf5cqrnh", True, True, "MALEE SRISUK")],
    ),
    "omise/api.customer.json": (
        lambda at: OmiseCards(at.omise, omise(at)).card_of_token(key=KEY, token="tokn_1", email=None),
        CardFacts(
            ref=CardRef("cust_test_ryw2vjcovan9p0cfaex", "card_test_xztvtcbcjhgku66evep"),
            brand="mastercard",
            last4="4444",
            expires_year=2031,
            expires_month=4,
        ),
    ),
    "sepay/api.transactions.json": (
        lambda at: at.sepay.transfers_since(None),
        [
            replace(
                LINE,
                transfer_id="49681",
                amount=Money(10_000, "VND"),
                direction="out",
                content="TRAN THI BINH thanh toan",
                at=datetime(2023, 5, 5, 14, 23, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh")),
                bank_reference="FT23125764304801",
            ),
            LINE,
        ],
    ),
    "sepay/api.transaction.json": (lambda at: at.sepay.fetch_transfer("49682"), LINE),
    "sepay/api.order.json": (
        lambda at: at.sepay.payments_of("INV-1759134601"),
        [
            PaymentFacts(
                provider="sepay",
                payment_id="INV-1759134601-384c66dd-41e6-4316-a544-b41416825901",
                order_id="INV-1759134601",
                amount=Money(100_000, "VND"),
                state=OrderState.CAPTURED,
                method="bank_transfer",
            )
        ],
    ),
}
# Read on the way to another: of a payout, of a check.
ALONGSIDE = {"stripe/api.balance_transactions.json", "razorpayx/api.fund_account.json"}


@pytest.mark.parametrize("file", ANSWERS)
async def test_an_answer_is_what_its_provider_published(file: str) -> None:
    asked, expected = ANSWERS[file]
    assert await asked(Outside(file)) == expected


async def test_what_was_made_says_its_id() -> None:
    made = await Outside("razorpayx/api.fund_account.json").razorpay.get(Made, "/fund_accounts/1")
    assert made.id == "fa_Yb2twdNMYuoQn3"


# --- refusals -------------------------------------------------------------------------------------------------------

REFUSALS: Mapping[str, tuple[Asked, int, str, str]] = {
    "razorpay/api.error.json": (
        lambda at: razorpay(at).fetch_payment("pay_1"),
        400,
        "input_validation_failed",
        "The month is not a valid month.",
    ),
    "razorpay/api.error.short.json": (
        lambda at: razorpay(at).fetch_payment("pay_1"),
        400,
        "BAD_REQUEST_ERROR",
        "The id provided does not exist",
    ),
    "stripe/api.error.json": (
        lambda at: stripe(at).payments_of(INTENT),
        402,
        "insufficient_funds",
        "Your card has insufficient funds.",
    ),
    "omise/api.error.json": (
        lambda at: omise(at).fetch_payment(CHARGE),
        404,
        "not_found",
        f"charge {CHARGE} was not found",
    ),
}


@pytest.mark.parametrize("file", REFUSALS)
async def test_a_refusal_is_told_in_the_providers_own_words(file: str) -> None:
    asked, status, reason, description = REFUSALS[file]
    with pytest.raises(Refused) as refused:
        await asked(Outside(file, status=status))
    assert (refused.value.reason, refused.value.description) == (reason, description)


# --- statements -----------------------------------------------------------------------------------------------------

HDFC = CsvColumns.declared((
    "date=Date", "date_format=%d/%m/%y", "reference=Chq/Ref Number", "text=Narration", "debit=Debit Amount",
    "credit=Credit Amount", "balance=Closing Balance",
))  # fmt: skip
# Of each statement in the file: account, opening, closing; and of each line: day, change, reference, and how its text
# begins.
Line = tuple[str, int, str, str]
STATEMENTS: Mapping[str, list[tuple[str, Money, Money, list[Line]]]] = {
    "statements/camt053.v2.xml": [
        (
            "NL16ABNA0810024671",
            inr(4_210_40),
            inr(5_065_15),
            [("2026-06-03", 854_75, "BOAT-7741", "Two seats on the evening boat")],
        ),
        (
            "NL16ABNA0810024671",
            inr(5_065_15),
            inr(4_752_65),
            [("2026-06-03", -312_50, "FUEL-0093", "Diesel of May")],
        ),
    ],
    "statements/camt053.v8.xml": [
        (
            "NL16ABNA0810024671",
            inr(4_210_40),
            inr(5_065_15),
            [("2026-06-03", 854_75, "EXMPNL2A-IN-0603/417", "RF18000007741")],
        )
    ],
    "statements/csv.hdfc.csv": [
        (
            "ours",
            inr(86_402_15),
            inr(87_770_57),
            [
                ("2026-06-11", -7_08, "000000000000000", "CHGS IMPS MAY26 INCL GST"),
                ("2026-06-12", -2_600_00, "0000616304417702", "ATW-510372XXXXXX4186-QAY00214-KOCHI"),
                ("2026-06-13", -1_845_00, "0000616402230918", "POS 510372XXXXXX4186 HARBOUR FUEL"),
                ("2026-06-13", -3_500_00, "0000000000003846", "EAW-510372XXXXXX4186-HIL00731-FORT KOCHI BRANCH"),
                ("2026-06-16", 9_320_50, "000000000000000", "NEFT CR-EXMP0000041-RAZORPAY SOFTWARE"),
            ],
        )
    ],
    "statements/mt940.abnamro.sta": [
        (
            "548107731",
            inr(8_120_45),
            inr(7_834_23),
            [
                (
                    "2026-06-04",
                    -27_00,
                    "",
                    "GIRO 730915 HARBOUR OFFICE BETALINGSKENM. 000000061700442 4480217703 BETREFT",
                ),
                ("2026-06-04", -18_25, "", "BEA NR:K7T204 03.06.26/16.42 QUAY BAKERY FIL12 ROTTERDAM,PAS041"),
                ("2026-06-04", -36_07, "", "BEA NR:K7T204 04.06.26/08.31 ROPE AND SAIL FIL3 DELFT N,PAS041"),
                ("2026-06-04", -204_90, "", "BEA NR:K7T204 04.06.26/11.05 HARBOUR FUEL ROTTERDAM,PAS041"),
            ],
        ),
        (
            "548107731",
            inr(7_834_23),
            inr(7_729_63),
            [
                ("2026-06-05", -41_60, "", "BEA NR:K7T204 05.06.26/10.12 LAMP SHOP ROTTERDAM NOORD,PAS041"),
                ("2026-06-05", -63_00, "", "71.20.44.918 HARBOUR FUEL"),
            ],
        ),
    ],
    "statements/mt940.postfinance.sta": [
        (
            "802447193",
            thb(150_00),
            thb(424_90),
            [
                (
                    "2026-06-03",
                    64_40,
                    "02230",
                    "GIRO AUS ONLINE-SIC 61207 AUFTRAGGEBER: ASHA RAO HUEGELSTRASSE 7 8400 WINTERTHUR",
                ),
                ("2026-06-03", 210_50, "02230", "GIRO AUS ONLINE-SIC 61934 AUFTRAGGEBER: RAVI IYER QUAIGASSE 21"),
            ],
        ),
        (
            "802447193",
            thb(424_90),
            thb(339_40),
            [
                (
                    "2026-06-08",
                    -118_20,
                    "02230",
                    "GIRO AUS ONLINE-SIC 62115 AUFTRAGGEBER: MALEE SRISUK UFERPROMENA DE",
                ),
                ("2026-06-10", 32_70, "01984", "EINZAHLUNGSSCHEIN"),
            ],
        ),
    ],
    "statements/mt940.rabobank.sta": [
        (
            "NL21RABO0355490127",
            inr(2_480_00),
            inr(2_295_25),
            [
                ("2026-06-02", -136_50, "EREF", "/EREF/02-06-2026 09:41 0051300277410968/BENM//NAME/HARBOUR FUEL"),
                ("2026-06-03", -48_25, "", "/BENM//NAME/MALEE SRISUK/REMI/Life vests 260603/ISDT/2026-06-03"),
            ],
        ),
        (
            "NL21RABO0355490127",
            inr(2_295_25),
            inr(2_086_75),
            [
                ("2026-06-09", -136_50, "EREF", "/EREF/09-06-2026 09:44 0051300277411803/BENM//NAME/HARBOUR FUEL"),
                ("2026-06-10", -72_00, "", "/BENM//NAME/MALEE SRISUK/REMI/Life vests 260610/ISDT/2026-06-10"),
            ],
        ),
    ],
    "statements/mt940.structured.sta": [
        (
            "70150000/6620418",
            inr(3_410_60),
            inr(3_735_60),
            [
                ("2026-06-02", -950_00, "70412", "DAUERAUFTRAG Liegeplatz Juni"),
                ("2026-06-02", 1_275_00, "70412", "UEBERWEISUNG Abendfahrt Gruppe"),
            ],
        ),
        (
            "EXMPPLPW/441000027735",
            thb(18_500_00),
            thb(22_235_50),
            [
                ("2026-06-10", 6_400_00, "5120004471830266", "Wplata-(karta) 0911602202000000044100002773555BOAT"),
                ("2026-06-10", -2_750_00, "REF 77041825", "Przelew-(wychodzacy) 0911602202000000044100002773555FUEL"),
                ("2026-06-10", 85_50, "5120004471830268", "Kapitalizacja bieżąca Za maj, rachunek 441000027735500"),
            ],
        ),
    ],
}


@pytest.mark.parametrize("file", STATEMENTS)
def test_a_statement_is_known_for_what_it_is_and_read_line_by_line(file: str) -> None:
    found = read_statements((RECORDED / file).read_bytes(), None, columns=HDFC, account="ours", currency="INR")
    expected = STATEMENTS[file]
    assert [(one.account, one.opening, one.closing) for one in found] == [one[:3] for one in expected]
    for one, (_, _, _, lines) in zip(found, expected, strict=True):
        read = [(f"{line.day}", line.change.minor, line.reference) for line in one.lines]
        assert read == [line[:3] for line in lines]
        for line, (*_, begins) in zip(one.lines, lines, strict=True):
            assert line.text.startswith(begins)


def test_every_recorded_body_is_expected_somewhere() -> None:
    assert set(FILES) == {*EVENTS, *ANSWERS, *REFUSALS, *STATEMENTS, *ALONGSIDE}


def test_every_recorded_body_says_where_it_comes_from() -> None:
    told_of = (RECORDED / "README.md").read_text()
    assert [file for file in FILES if f"`{file}`" not in told_of] == []
