"""How pages call engines, their models, what they are used for, and how a call failed."""

from functools import cache

from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.ai.domain.calls import PurposeTitle
from tillhouse.parts.ai.providers import vendor_titles

_FAILURES = {
    "not_sent": N_("Could not be reached"),
    "busy": N_("Too busy"),
    "down": N_("Out of order"),
    "late": N_("Took too long"),
    "cut": N_("Broke off"),
    "refused": N_("Would not answer"),
    "nonsense": N_("Answered what nobody can read"),
}

_titles = cache(vendor_titles)


def engine_name(endpoint: str) -> str:
    """An endpoint by its maker's name; one that this build does not know keeps its own."""
    return gettext(_titles().get(endpoint, endpoint))


def says_more(endpoint: str, model: str) -> bool:
    """Whether a model's own name tells anything beside its endpoint's."""
    return f"{endpoint}/{model}" not in _titles()


def model_name(model: str) -> str:
    """A model (`endpoint/model`): by a name of its own where it has one, else by its maker's and what they call it."""
    endpoint, _, rest = model.partition("/")
    titles = _titles()
    if model in titles:
        return gettext(titles[model])
    return f"{engine_name(endpoint)} · {rest}" if rest else engine_name(endpoint)


def purpose_name(house: House, purpose: str) -> str:
    """What a purpose is called by whoever uses models for it; one that nobody names keeps its own."""
    titles = {one.purpose: one.title for one in house.provided(PurposeTitle)}
    return gettext(titles[purpose]) if purpose in titles else purpose


def failure_name(failure: str) -> str:
    """How a call failed (`trouble:detail`), in words, with the endpoint's own code behind them."""
    trouble, _, detail = failure.partition(":")
    words = gettext(_FAILURES[trouble]) if trouble in _FAILURES else trouble
    return f"{words} ({detail})" if detail else words
