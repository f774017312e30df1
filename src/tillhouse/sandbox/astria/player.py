"""Astria: tunes, prompts, packs."""

from collections.abc import Mapping

from tillhouse.sandbox.astria import api, control, errors, working
from tillhouse.sandbox.astria.schemas import Tune
from tillhouse.sandbox.player import Page, Player
from tillhouse.sandbox.settings import SandboxSettings


def _facts(settings: SandboxSettings) -> Mapping[str, str]:
    return {"API": api.PREFIX, "API key": settings.astria_api_key, "Packs": ", ".join(working.PACKS)}


ASTRIA = Player(
    name="Astria",
    apis=("astria",),
    routers=(control.router, api.router),
    register=working.register,
    api_of=lambda path: "astria" if path.startswith(f"{api.PREFIX}/") else None,
    trouble=errors.trouble,
    no_such_url=errors.no_such_url,
    facts=_facts,
    invalid=errors.invalid,
    pages=(Page("astria/tunes", "Tunes", Tune),),
)
