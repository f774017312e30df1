"""How pages call engines and their models."""

from functools import cache

from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.ai.providers import vendor_titles

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
