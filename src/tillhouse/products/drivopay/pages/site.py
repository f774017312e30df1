"""The public page: what DrivoPay is, for whom, and how money is kept."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tillhouse.kernel.access import Principal, open_to_all
from tillhouse.kernel.http import TheHouse
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import redirect
from tillhouse.products.drivopay.domain import rupees
from tillhouse.products.drivopay.pages.words import PLATFORM_NAMES
from tillhouse.products.drivopay.settings import DrivopaySettings

router = APIRouter()
Anyone = Annotated[Principal, Depends(open_to_all("the public page of the product"))]


@dataclass(frozen=True, slots=True)
class _Feature:
    icon: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class _Question:
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Line:
    icon: str
    text: str
    note: str
    amount: Money


@dataclass(frozen=True, slots=True)
class _Preview:
    """The invented day that the drawing of a phone shows."""

    earned: Money
    spent: Money
    net: Money
    hour: Money
    bars: tuple[int, ...]
    lines: tuple[_Line, ...]


_FEATURES = (
    _Feature(
        "scale",
        N_("Net, not gross"),
        N_(
            "Commission, incentives, tips, fuel, tolls, the vehicle loan: what is left after all of them is the figure."
        ),
    ),
    _Feature(
        "clock",
        N_("Days on your clock"),
        N_("A trip from 23:40 to 00:25 counts on the day it began. Your totals stay put wherever the server is."),
    ),
    _Feature(
        "wallet",
        N_("A wallet that pays out"),
        N_("Add money by UPI, card or net banking. Withdraw to a UPI id or a bank account when you want it."),
    ),
    _Feature(
        "chart-column",
        N_("This week against last"),
        N_("Tuesday is compared with Tuesday, so the arrow tells you something. Thirty days at a glance."),
    ),
    _Feature(
        "shield-check",
        N_("No rupee without a reason"),
        N_("Each movement is booked twice, as in a bank. When a bank does not answer we say so, and never pay twice."),
    ),
    _Feature(
        "smartphone",
        N_("Made for your phone"),
        N_("Light on data, works on an old phone, in English and Hindi, by day and by night."),
    ),
)

_QUESTIONS = (
    _Question(
        N_("Is DrivoPay a bank, or a lender?"),
        N_("No. It is a wallet and a notebook that can count. We do not lend, and we do not pay interest."),
    ),
    _Question(
        N_("What does it cost?"),
        N_(
            "Nothing. Adding money and withdrawing it are free for you: the house that runs this installation "
            "pays what the payment companies charge."
        ),
    ),
    _Question(
        N_("How fast is a withdrawal?"),
        N_(
            "To a UPI id usually within a minute, to a bank account within minutes; at times a bank takes until the "
            "next working day. You see each step, and the money stays set aside until the bank has confirmed."
        ),
    ),
    _Question(
        N_("What if a payment fails half-way?"),
        N_(
            "Then your page says so, and what it means. If your bank took the money and we did not get it, the bank "
            "gives it back within a few days. If it reaches us late, it is in your wallet as soon as it does."
        ),
    ),
    _Question(
        N_("Do you read my Uber or Swiggy account?"),
        N_("No. You write your figures down, once a day if you like. We never ask for a password of another company."),
    ),
    _Question(
        N_("Can I leave?"),
        N_(
            "Any time. Withdraw what is in the wallet and delete your account: your personal data goes, and only the "
            "books that the law asks us to keep stay, without your name."
        ),
    ),
)


@router.get("/")
async def landing(request: Request, pages: Pages, house: TheHouse, who: Anyone, *, about: bool = False) -> Response:
    """What DrivoPay is; a driver who is signed in is led home, unless they want to read about it."""
    if who.may("drivopay.read") and not about:
        return redirect(request, "/drivopay/home")
    names = [name for code, name in PLATFORM_NAMES.items() if code != "other"]
    shown = {
        "platforms": names,
        "features": _FEATURES,
        "questions": _QUESTIONS,
        "partner": house.settings_of(DrivopaySettings).wallet_partner,
        "preview": _preview(),
    }
    return pages.render_page(request, "drivopay/landing.html", shown)


def _preview() -> _Preview:
    earned, spent, hours = 2_050_00, 655_00, 9
    return _Preview(
        earned=rupees(earned),
        spent=rupees(spent),
        net=rupees(earned - spent),
        hour=rupees((earned - spent) // hours),
        bars=(28, 33, 22, 37, 41, 48, 26, 31, 35, 24, 39, 44, 50, 46),
        lines=(
            _Line("car", "Uber", gettext(N_("10 trips")), rupees(1_450_00)),
            _Line("car", "Rapido", gettext(N_("In cash")), rupees(600_00)),
            _Line("fuel", gettext(N_("Fuel or charging")), gettext(N_("Today")), rupees(-520_00)),
        ),
    )
