"""Anthropic: Messages."""

from collections.abc import Mapping

from tillhouse.sandbox.anthropic import errors, messages
from tillhouse.sandbox.player import Player
from tillhouse.sandbox.settings import SandboxSettings


def _facts(settings: SandboxSettings) -> Mapping[str, str]:
    return {
        "API": f"{messages.PREFIX}/v1",
        "API key": settings.anthropic_api_key,
        "A model that obeys documents": "till-gullible",
    }


ANTHROPIC = Player(
    name="Anthropic",
    apis=("anthropic",),
    routers=(messages.router,),
    register=lambda _world: None,
    api_of=lambda path: "anthropic" if path.startswith(f"{messages.PREFIX}/") else None,
    trouble=errors.trouble,
    no_such_url=errors.no_such_url,
    facts=_facts,
    invalid=errors.invalid,
)
