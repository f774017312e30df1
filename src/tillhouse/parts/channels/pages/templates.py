"""The staff page of templates: every template in every language of the house on every channel, with example data."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.i18n import LANGUAGES, gettext
from tillhouse.parts.channels.pages.own import channel_names
from tillhouse.parts.channels.ports import MessageTemplate
from tillhouse.parts.channels.service import rendering

_HOME = "/console/channels/templates"

router = APIRouter(prefix=_HOME)
Staff = Annotated[Principal, Depends(require("channels.templates"))]


@router.get("")
async def home(request: Request, _session: Read, house: TheHouse, staff: Staff, pages: Pages) -> Response:
    """Every template of the house, and the languages it is missing."""
    found = [
        {"template": one, "kind": _kind(one), "missing": rendering.missing_in(house, one.name)}
        for one in rendering.templates(house)
    ]
    return pages.render_page(
        request,
        "channels/templates.html",
        {"templates": found, "tongues": LANGUAGES, "channels": channel_names(), "about": _about()},
    )


@router.get("/{name}")
async def preview(
    request: Request,
    _session: Read,
    house: TheHouse,
    staff: Staff,
    pages: Pages,
    *,
    name: str,
    locale: str = "en",
    example: str = "",
) -> Response:
    """One template in one language, on every channel that it is written for, filled with one of its examples."""
    about = next((one for one in rendering.templates(house) if one.name == name), None)
    if about is None or locale not in LANGUAGES:
        raise NotFound(N_("There is no such template."))
    examples = rendering.examples(house, name)
    shown = example if example in examples else next(iter(examples))
    values = {
        "about": about,
        "is_about": _about()[_kind(about)],
        "approval": _APPROVAL[_kind(about)],
        "locale": locale,
        "tongues": LANGUAGES,
        "channels": channel_names(),
        "examples": list(examples),
        "shown": shown,
        "missing": rendering.missing_in(house, name),
        "previews": [one for one in rendering.previews(house, about, examples[shown]) if one.locale == locale],
    }
    return pages.render_page(request, "channels/template.html", values)


# What Meta calls a template of a kind when it is handed in to be approved. A warning is no code, so it is `utility`.
_APPROVAL = {"security": "utility", "money": "utility", "account": "utility", "offers": "marketing"}


def _kind(template: MessageTemplate) -> str:
    return "offers" if template.purpose == "marketing" else template.category


def _about() -> dict[str, str]:
    """What kinds of messages are called, in the reader's language."""
    return {
        "security": gettext("Security"),
        "money": gettext("Money"),
        "account": gettext("Account"),
        "offers": gettext("Offers"),
    }
