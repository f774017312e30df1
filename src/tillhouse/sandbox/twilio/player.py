"""Twilio: texts, which land in the inbox."""

from collections.abc import Mapping

from fastapi.responses import Response

from tillhouse.sandbox.player import Player
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.twilio import messages
from tillhouse.sandbox.twilio.messages import TwilioError


def _trouble(status: int) -> Response:
    return TwilioError(20429 if status == 429 else 20500, status).response()


def _facts(settings: SandboxSettings) -> Mapping[str, str]:
    return {
        "API": "/twilio/2010-04-01",
        "Account SID": settings.twilio_account_sid,
        "Auth token": settings.twilio_auth_token,
        "Numbers": ", ".join(settings.twilio_numbers),
        "Number that nothing reaches": messages.UNREACHABLE_TO,
    }


TWILIO = Player(
    name="Twilio",
    apis=("twilio",),
    routers=(messages.router,),
    register=messages.register,
    about="Its texts arrive in the inbox, its chats on the phones of WhatsApp.",
    api_of=lambda path: "twilio" if path.startswith("/twilio/") else None,
    trouble=_trouble,
    no_such_url=lambda _method, _path, _status: TwilioError(20404, 404).response(),
    facts=_facts,
)
