"""The page that shows every component in every state: what a page's author copies from, and what we look at."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, EmailStr, SecretStr
from starlette.datastructures import FormData

from tillhouse.kernel import clock
from tillhouse.kernel.money import Money
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.charts import Chart, Series
from tillhouse.kernel.web.forms import Form, Option

STATES = (
    ("created", "Created"),
    ("pending", "Pending"),
    ("authorized", "Authorised"),
    ("captured", "Captured"),
    ("partially_refunded", "Partly refunded"),
    ("refunded", "Refunded"),
    ("failed", "Failed"),
    ("expired", "Expired"),
    ("disputed", "Disputed"),
    ("unknown", "Being checked"),
)


class KitForm(BaseModel):
    """One field of each kind."""

    full_name: str
    email: EmailStr
    phone: str | None = None
    password: SecretStr
    amount: Decimal
    code: str
    platform: Literal["swiggy", "zomato", "uber"]
    method: Literal["upi", "bank"]
    note: str | None = None
    terms: bool


def kit_page(now: datetime | None = None) -> dict[str, object]:
    """The context of `kernel/kit.html`."""
    now = now or clock.now()
    return {
        "now": now,
        "form": Form.blank(KitForm, name="blank", method="upi", amount="500"),
        "wrong": _wrong_form(),
        "platforms": [Option("swiggy", "Swiggy"), Option("zomato", "Zomato"), Option("uber", "Uber")],
        "methods": [
            Option("upi", "UPI", "In a moment, without a fee", "smartphone"),
            Option("bank", "Bank account", "Within two hours", "landmark"),
        ],
        "states": STATES,
        "rows": _movements(now),
        "balance": Money(12_34_567_89, "INR"),
        "held": Money(50_000_00, "INR"),
        "pending": Money(0, "INR"),
        "earnings": _earnings(now.date()),
        "trend": _trend(now.date()),
    }


def _wrong_form() -> Form[KitForm]:
    sent = FormData({"full_name": "", "email": "ravi@", "amount": "12,5", "code": "12", "platform": "", "note": "…"})
    form = Form.parse(sent, KitForm, name="wrong")
    form.error = "This is more than your available balance of ₹1,250.00. Nothing was withdrawn."
    return form


def _movements(now: datetime) -> list[dict[str, object]]:
    rows = [
        ("Added with UPI", "ravi@okbank", 150_000, "captured", "Captured", 20),
        ("Withdrawn to bank", "HDFC ••4821", -50_000, "processing", "On its way", 240),
        ("Swiggy, weekly pay", "Week 46", 8_43_250, "settled", "Settled", 60 * 30),
        ("Withdrawn to UPI", "ravi@okbank", -20_000, "failed", "Failed, money back", 60 * 55),
    ]
    return [
        {
            "what": what,
            "detail": detail,
            "amount": Money(minor, "INR"),
            "state": state,
            "label": label,
            "at": now - timedelta(minutes=minutes),
        }
        for what, detail, minor, state, label, minutes in rows
    ]


def _days(until: date, count: int) -> list[str]:
    return [formats.short_day(until - timedelta(days=back)) for back in reversed(range(count))]


def _earnings(until: date) -> Chart:
    earned = [(90_000 + (i * 37) % 11 * 9_000) if i % 7 != 3 else 0 for i in range(30)]
    spent = [22_000 + (i * 53) % 7 * 4_000 for i in range(30)]
    series = [Series("Earned", earned), Series("Spent", spent)]
    return Chart("Earnings and expenses of 30 days", _days(until, 30), series, unit="INR")


def _trend(until: date) -> Chart:
    values = [40 + i * 3 + (i * 29) % 13 for i in range(14)]
    return Chart("Questions answered", _days(until, 14), [Series("Questions", values)], kind="area")
