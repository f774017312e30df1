"""Settings of channels, under the names that the products' own lists use as well."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import Field, Json, PositiveInt, field_validator

from tillhouse.kernel.settings import ModuleSettings, setting

Way = Literal["email", "push", "sms", "whatsapp"]
Hour = Annotated[int, Field(ge=0, le=23)]


class ChannelsSettings(ModuleSettings):
    """Where messages leave the house. The defaults are the sandbox's."""

    prefix = "CHANNELS"

    smtp_host: str = setting(
        "127.0.0.1", "Mail server. Empty: no e-mail is sent.", aliases=("SMTP_HOST",), development_only=True
    )
    smtp_port: PositiveInt = setting(8025, "Port of the mail server.", aliases=("SMTP_PORT",))
    smtp_security: Literal["auto", "tls", "starttls", "none"] = setting(
        "auto", "tls, starttls, none, or auto: TLS on port 465, else STARTTLS where the server offers it."
    )
    smtp_user: str = setting("", "Name to sign in to the mail server with.", aliases=("SMTP_USER",))
    smtp_password: str = setting("", "Its password.", aliases=("SMTP_PASSWORD",), secret=True)
    email_from: str = setting("Tillhouse <no-reply@tillhouse.test>", "Sender of mails.", aliases=("EMAIL_FROM",))
    twilio_url: str = setting("", "Base URL of Twilio. Empty: the sandbox where there is one, else api.twilio.com.")
    twilio_account_sid: str = setting(
        "AC00000000000000000000000000000001", "Twilio account.", aliases=("TWILIO_ACCOUNT_SID",)
    )
    twilio_auth_token: str = setting(
        "twilio_test_token_tillhouse",
        "Its token; signs Twilio's callbacks too. Empty: no SMS is sent.",
        aliases=("TWILIO_AUTH_TOKEN",),
        secret=True,
        development_only=True,
    )
    twilio_shared_keys: Json[dict[str, str]] = setting(
        "{}",
        'Keys that Twilio signs its callbacks with in place of the token, as JSON: {"webhooks_sharedkey_…": "secret"}. '
        "Two of them while one is replaced.",
        secret=True,
    )
    twilio_phone_number: str = setting("+15005550006", "Sender of SMS.", aliases=("TWILIO_PHONE_NUMBER",))
    whatsapp_provider: Literal["whatsapp", "twilio"] = setting(
        "whatsapp", "Who carries WhatsApp: whatsapp (Meta's Cloud API) or twilio."
    )
    whatsapp_url: str = setting("", "Base URL of the Graph API. Empty: the sandbox where there is one, else Meta's.")
    whatsapp_version: str = setting("v23.0", "Version of the Graph API.")
    whatsapp_phone_number_id: str = setting(
        "100000000000001", "The number we send from, by its id.", aliases=("WHATSAPP_PHONE_NUMBER_ID",)
    )
    whatsapp_token: str = setting(
        "whatsapp_test_token_tillhouse",
        "System user's token. Empty: the Cloud API is not used.",
        aliases=("WHATSAPP_ACCESS_TOKEN", "WHATSAPP_TOKEN"),
        secret=True,
        development_only=True,
    )
    whatsapp_app_secret: str = setting(
        "whatsapp_test_app_secret_tillhouse",
        "Signs Meta's webhooks.",
        aliases=("WHATSAPP_APP_SECRET",),
        secret=True,
        development_only=True,
    )
    whatsapp_verify_token: str = setting(
        "whatsapp_test_verify_token_tillhouse",
        "The word by which Meta subscribes its webhook.",
        aliases=("WHATSAPP_VERIFY_TOKEN",),
        secret=True,
        development_only=True,
    )
    whatsapp_templates: Json[dict[str, dict[str, str]]] = setting(
        "{}",
        "What WhatsApp has approved for messages of the house outside the 24 hours, as JSON: "
        '{"payments.refunded": {"en": "refund_made"}}: Meta\'s names, or Twilio\'s content SIDs, by language.',
    )
    message_order: tuple[Way, ...] = setting(
        ("email", "push", "sms", "whatsapp"),
        "In which order the ways to a person are tried for a message that names none, separated by commas.",
    )
    twilio_whatsapp_number: str = setting(
        "+15005550006", "Sender of WhatsApp messages by Twilio.", aliases=("TWILIO_WHATSAPP_NUMBER",)
    )
    media_most_megabytes: PositiveInt = setting(100, "Largest file that is taken out of a chat, in MB.")
    media_contact_megabytes: PositiveInt = setting(
        500, "How much of what somebody sends in a chat is kept at one time, in MB; what is beyond it is refused."
    )
    fcm_service_account: str = setting(
        "", "Google's service account for pushes, as its JSON. Empty: none are sent to phones.", secret=True
    )
    fcm_url: str = setting("", "Base URL of FCM. Empty: the sandbox where there is one, else Google's.")
    vapid_private_key: str = setting(
        "", "P-256 private key in PEM that signs pushes to browsers. Empty: none are sent.", secret=True
    )
    vapid_contact: str = setting("push@tillhouse.test", "Whom a browser's push service writes to about our pushes.")
    quiet_from: Hour = setting(21, "Hour of a person's own day from which marketing waits, 0 to 23.")
    quiet_to: Hour = setting(9, "Hour of a person's own day at which it goes on; the same hour: it never waits.")
    marketing_per_day: PositiveInt = setting(2, "Most marketing messages to one person in 24 hours; others wait.")
    messages_per_hour: PositiveInt = setting(60, "Most messages to one address in an hour; others wait, codes never.")
    chat_keep_days: PositiveInt = setting(
        180, "Days that chats are kept after they have ended, and files after they were sent in one."
    )
    webhook_keep_days: PositiveInt = setting(30, "Days that deliveries of webhooks are kept and can be sent again.")
    webhook_in_flight: PositiveInt = setting(
        3, "Most webhooks under way to one endpoint at once. One that is slow has a single place."
    )
    webhook_in_flight_slow: PositiveInt = setting(
        3, "Most webhooks under way to slow endpoints together, so that they never fill a worker."
    )
    webhook_disable_after_days: PositiveInt = setting(
        5, "Days for which an endpoint may take nothing before it is disabled and its owner told."
    )
    webhook_endpoints_most: PositiveInt = setting(20, "Most endpoints of one machine, and of the house itself.")
    webhook_private_networks: tuple[str, ...] = setting(
        (),
        "Networks (10.1.0.0/16) that webhooks may go to although they are not on the internet, separated by commas.",
    )

    @field_validator("webhook_private_networks")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        """Anything else would let nothing through, and less clearly."""
        for network in networks:
            ip_network(network, strict=False)
        return networks
