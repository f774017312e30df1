"""Settings of channels, under the names that the products' own lists use as well."""

from ipaddress import ip_network
from typing import Literal

from pydantic import PositiveInt, field_validator

from tillhouse.kernel.settings import ModuleSettings, setting


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
    twilio_phone_number: str = setting("+15005550006", "Sender of SMS.", aliases=("TWILIO_PHONE_NUMBER",))
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
