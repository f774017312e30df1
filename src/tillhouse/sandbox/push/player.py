"""Phones and browsers that take pushes."""

from collections.abc import Mapping

from tillhouse.sandbox.player import Page, Player
from tillhouse.sandbox.push import fcm, web
from tillhouse.sandbox.settings import SandboxSettings


def _facts(_settings: SandboxSettings) -> Mapping[str, str]:
    return {
        "FCM": f"{fcm.PREFIX}/v1/projects/{{project}}/messages:send",
        "Its token endpoint": f"{fcm.PREFIX}/token",
        "A phone that is gone": "a token that begins with gone",
        "A browser": "POST /_sandbox/browsers",
    }


def _api_of(path: str) -> str | None:
    if path.startswith(f"{fcm.PREFIX}/"):
        return "fcm"
    return "webpush" if path.startswith(f"{web.PREFIX}/") else None


PUSH = Player(
    name="Push",
    apis=("fcm", "webpush"),
    routers=(fcm.router, web.router),
    register=lambda _world: None,
    api_of=_api_of,
    trouble=fcm.trouble,
    no_such_url=fcm.no_such_url,
    facts=_facts,
    pages=(Page("push", "Pushes", fcm.Push),),
    invalid=fcm.invalid,
)
