"""Google: sign-in."""

from collections.abc import Mapping

from tillhouse.sandbox.google import errors, signin
from tillhouse.sandbox.player import Player
from tillhouse.sandbox.settings import SandboxSettings


def _facts(settings: SandboxSettings) -> Mapping[str, str]:
    return {
        "Issuer": signin.PREFIX,
        "Client id": settings.google_client_id,
        "Client secret": settings.google_client_secret,
        "Accounts": ", ".join(account.email for account in signin.ACCOUNTS),
    }


GOOGLE = Player(
    name="Google",
    apis=("google",),
    routers=(signin.router,),
    register=lambda _world: None,
    api_of=lambda path: "google" if path.startswith(f"{signin.PREFIX}/") else None,
    trouble=errors.trouble,
    no_such_url=errors.no_such_url,
    facts=_facts,
    about="People meet it when they sign in with Google.",
    invalid=errors.invalid,
)
