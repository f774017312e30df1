"""What people read for the codes of the domain, with an icon where a page shows one. English message ids."""

from collections.abc import Mapping, Sequence

from tillhouse.kernel.text import N_
from tillhouse.kernel.web.forms import Option
from tillhouse.kernel.web.i18n import gettext
from tillhouse.products.drivopay.domain import CATEGORIES, PLATFORMS

PLATFORM_NAMES: Mapping[str, str] = {
    "uber": N_("Uber"),
    "ola": N_("Ola"),
    "rapido": N_("Rapido"),
    "namma_yatri": N_("Namma Yatri"),
    "swiggy": N_("Swiggy"),
    "zomato": N_("Zomato"),
    "other": N_("Someone else"),
}

CATEGORY_NAMES: Mapping[str, str] = {
    "fuel": N_("Fuel or charging"),
    "maintenance": N_("Repairs and service"),
    "food": N_("Food and tea"),
    "toll": N_("Toll"),
    "parking": N_("Parking"),
    "insurance": N_("Insurance"),
    "emi": N_("Vehicle loan"),
    "phone": N_("Phone and data"),
    "fine": N_("Fine"),
    "other": N_("Something else"),
}

CATEGORY_ICONS: Mapping[str, str] = {
    "fuel": "fuel",
    "maintenance": "wrench",
    "food": "shopping-bag",
    "toll": "route",
    "parking": "map-pin",
    "insurance": "shield",
    "emi": "landmark",
    "phone": "smartphone",
    "fine": "flag",
    "other": "receipt",
}

PAID_IN_NAMES: Mapping[str, str] = {"digital": N_("Paid by the platform"), "cash": N_("In cash")}


def platform_options() -> Sequence[Option]:
    """The platforms to choose from, in the reader's language."""
    return [Option(code, gettext(PLATFORM_NAMES[code])) for code in PLATFORMS]


def category_options() -> Sequence[Option]:
    """The categories to choose from, in the reader's language."""
    return [Option(code, gettext(CATEGORY_NAMES[code])) for code in CATEGORIES]


def paid_in_options() -> Sequence[Option]:
    """How a platform pays, in the reader's language."""
    return [Option(code, gettext(name)) for code, name in PAID_IN_NAMES.items()]
