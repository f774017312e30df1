"""OpenAI: chat, embeddings, transcription, by any client that speaks its format."""

from collections.abc import Mapping

from tillhouse.sandbox.openai import chat, errors, rest
from tillhouse.sandbox.openai.access import PREFIX
from tillhouse.sandbox.player import Player
from tillhouse.sandbox.settings import SandboxSettings


def _facts(settings: SandboxSettings) -> Mapping[str, str]:
    return {
        "API": f"{PREFIX}/v1",
        "API key": settings.openai_api_key,
        "A model that reasons": "deepseek-v4-flash",
        "A model that obeys documents": "till-gullible",
    }


OPENAI = Player(
    name="OpenAI",
    apis=("openai",),
    routers=(chat.router, rest.router),
    register=lambda _world: None,
    api_of=lambda path: "openai" if path.startswith(f"{PREFIX}/") else None,
    trouble=errors.trouble,
    no_such_url=errors.no_such_url,
    facts=_facts,
    invalid=errors.invalid,
)
