"""WhatsApp's Cloud API, with phones to hold."""

from collections.abc import Mapping

from tillhouse.sandbox.player import Page, Player
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.whatsapp import cloud, control, errors
from tillhouse.sandbox.whatsapp.phone import Chat


def _facts(settings: SandboxSettings) -> Mapping[str, str]:
    return {
        "API": f"{cloud.PREFIX}/v23.0",
        "Phone number ID": settings.whatsapp_phone_number_id,
        "Token": settings.whatsapp_token,
        "App secret": settings.whatsapp_app_secret,
        "Verify token": settings.whatsapp_verify_token,
        "Webhook": settings.whatsapp_webhook_url,
        "Templates": ", ".join(f"{one[0]} ({one[1]})" for one in settings.whatsapp_templates),
        "Number that nothing reaches": f"+{cloud.UNREACHABLE}",
    }


WHATSAPP = Player(
    name="WhatsApp",
    apis=("whatsapp",),
    routers=(cloud.router, control.router),
    register=cloud.register,
    api_of=lambda path: "whatsapp" if path.startswith(f"{cloud.PREFIX}/") else None,
    trouble=errors.trouble,
    no_such_url=errors.no_such_url,
    facts=_facts,
    pages=(Page("whatsapp", "Phones", Chat),),
    senders={"whatsapp": cloud.send_any},
    invalid=lambda _errors: errors.GraphError(100, "The body is not as the Graph API has it.").response(),
)
