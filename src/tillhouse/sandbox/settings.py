"""Settings of the sandbox. Every secret here is a public development value: the sandbox guards nothing."""

import re
from ipaddress import ip_address
from re import Pattern
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


class SandboxSettings(BaseSettings):
    """What the sandbox accepts and where it reports to. Environment: the field's name after `SANDBOX_`."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", extra="ignore")

    state: str = Field(":memory:", description="SQLite file that holds the sandbox's memory, or `:memory:`.")
    web: str = Field("http://127.0.0.1:8000", description="Base URL of the app that webhooks are sent to.")
    clock_scale: PositiveFloat = Field(
        60.0, description="How many seconds of a provider's waiting pass in one real second."
    )
    hold_seconds: PositiveFloat = Field(
        120.0, description="How long `timeout_*` faults hold a response unless the fault says otherwise."
    )
    smtp_host: str = "127.0.0.1"
    smtp_port: int | None = Field(None, description="Port of the SMTP server; unset: no SMTP server.")
    merchant_email: str = Field("owner@tillhouse.test", description="Who is told when a webhook is disabled.")

    razorpay_key_id: str = "rzp_test_tillhouse"
    razorpay_key_secret: str = "rzp_test_secret_tillhouse"  # noqa: S105 - public
    razorpay_account_id: str = "acc_TillhouseTest1"
    razorpay_webhook_url: str = Field("", description="Default: `{web}/api/v1/payments/webhook/razorpay`.")
    razorpay_webhook_secret: str = "rzp_test_webhook_secret_tillhouse"  # noqa: S105 - public

    razorpayx_account_number: str = "2323230041626905"
    razorpayx_opening_balance: PositiveInt = Field(100_000_000, description="Paise on the account at first.")
    razorpayx_webhook_url: str = Field("", description="Default: `{web}/api/v1/payments/webhook/razorpayx`.")
    razorpayx_webhook_secret: str = "rzpx_test_webhook_secret_tillhouse"  # noqa: S105 - public

    stripe_secret_key: str = "sk_test_tillhouse"  # noqa: S105 - public
    stripe_publishable_key: str = "pk_test_tillhouse"
    stripe_account_id: str = "acct_1TillhouseTest01"
    stripe_account_name: str = Field("Tillhouse", description="The shop's name on Stripe's pay pages.")
    stripe_webhook_url: str = Field("", description="Default: `{web}/api/v1/payments/webhook/stripe`.")
    stripe_webhook_secret: str = "whsec_tillhouse"  # noqa: S105 - public
    stripe_webhook_old_secret: str = Field("", description="While the secret is rotated: signs as well.")
    stripe_connect_webhook_url: str = Field(
        "", description="Where events of connected accounts go. Default: the same address."
    )
    stripe_connect_webhook_secret: str = Field("", description="Default: the same secret.")

    twilio_account_sid: str = "AC00000000000000000000000000000001"
    twilio_auth_token: str = "twilio_test_token_tillhouse"  # noqa: S105 - public
    twilio_numbers: list[str] = Field(
        default=["+15005550006"], description="Numbers that may be used as `From` (JSON list in the environment)."
    )

    twilio_inbound_url: str = Field(
        "",
        description="Where messages to our number go. Default: `{web}/api/v1/channels/webhook/twilio/inbound`.",
    )
    twilio_media_base: str = Field(
        "http://sandbox", description="Where the sandbox itself is reached, for files of chats."
    )
    twilio_contents: list[tuple[str, str]] = Field(
        default=[("HX00000000000000000000000000000001", "Hello {{1}}, there is news for you.")],
        description="Approved content: SID and text (JSON list of pairs in the environment).",
    )

    whatsapp_phone_number_id: str = "100000000000001"
    whatsapp_account_id: str = "200000000000002"
    whatsapp_display_number: str = "15550100200"
    whatsapp_token: str = "whatsapp_test_token_tillhouse"  # noqa: S105 - public
    whatsapp_app_secret: str = "whatsapp_test_app_secret_tillhouse"  # noqa: S105 - public
    whatsapp_verify_token: str = "whatsapp_test_verify_token_tillhouse"  # noqa: S105 - public
    whatsapp_webhook_url: str = Field("", description="Default: `{web}/api/v1/channels/webhook/whatsapp`.")
    whatsapp_templates: list[list[str]] = Field(
        default=[
            ["hello_world", "en_US", "Welcome and congratulations!"],
            ["news", "en", "Hello {{1}}, there is news for you."],
        ],
        description="Approved templates: name, language, text (JSON list of lists in the environment).",
    )

    omise_public_key: str = "pkey_test_tillhouse"
    omise_secret_key: str = "skey_test_tillhouse"  # noqa: S105 - public
    omise_webhook_url: str = Field("", description="Default: `{web}/api/v1/payments/webhook/omise`.")
    omise_webhook_secret: str = Field(
        "b21pc2VfdGVzdF93ZWJob29rX3NlY3JldF90aWxsaG91c2U=",
        pattern=_BASE64,
        description="As Omise shows it: base64.",
    )
    omise_next_webhook_secret: str = Field(
        "", pattern=_BASE64, description="A second secret that signs too, as while one is being replaced."
    )
    omise_opening_balance: PositiveInt = Field(100_000_000, description="Satang on the account at first.")
    omise_biller_id: str = Field(
        "010555600000001", pattern=r"^\d{15}$", description="PromptPay biller: tax id and two digits."
    )
    omise_3ds: bool = Field(default=False, description="Send card payers with a `return_uri` to their bank first.")

    sepay_bank: str = Field("Vietcombank", description="Bank of the account that is watched.")
    sepay_account_number: str = "0071000888888"
    sepay_account_name: str = "CONG TY TILLHOUSE"
    sepay_virtual_accounts: list[str] = Field(
        default=[], description="Virtual accounts that lead to it (JSON list in the environment)."
    )
    sepay_code_pattern: Pattern[str] = Field(
        re.compile(r"\bTLH[2-9A-HJKMNP-TV-Y]{9}\b"),
        description="What counts as a payment code within a transfer's content (in capitals, without diacritics).",
    )
    sepay_webhook_url: str = Field(
        "", description="Where both products report. Default: `{web}/api/v1/payments/webhook/sepay`."
    )
    sepay_webhook_auth: Literal["none", "apikey", "hmac"] = "hmac"
    sepay_webhook_api_key: str = "sepay_test_api_key_tillhouse"
    sepay_webhook_secret: str = "sepay_test_webhook_secret_tillhouse"  # noqa: S105 - public
    sepay_webhook_success: Literal["status", "status_and_body"] = Field(
        "status", description="What counts as taken: any 2xx, or (older rule) 200 or 201 with `success: true`."
    )
    sepay_api_token: str = "sepay_test_api_token_tillhouse"  # noqa: S105 - public
    sepay_calls_per_second: int = Field(3, ge=0, description="Limit of the transaction API; 0: none.")
    sepay_pg_merchant_id: str = "SP-TEST-TILLHOUSE"
    sepay_pg_secret_key: str = "spsk_test_tillhouse"  # noqa: S105 - public

    openai_api_key: str = "sk-tillhouse"
    anthropic_api_key: str = "sk-ant-tillhouse"

    astria_api_key: str = "sd_tillhouse"
    google_client_id: str = "tillhouse.apps.googleusercontent.com"
    google_client_secret: str = "GOCSPX-tillhouse"  # noqa: S105 - public
    google_redirect_uris: list[str] = Field(
        default=[], description="Addresses that people may be led back to (JSON list). Empty: this machine and the app."
    )

    token_seconds: NonNegativeFloat = Field(0.0, description="Time that a model takes for a word, in seconds.")

    @model_validator(mode="after")
    def _derive_webhook_urls(self) -> Self:
        base = self.web.rstrip("/") + "/api/v1/payments/webhook"
        self.razorpay_webhook_url = self.razorpay_webhook_url or f"{base}/razorpay"
        self.razorpayx_webhook_url = self.razorpayx_webhook_url or f"{base}/razorpayx"
        self.stripe_webhook_url = self.stripe_webhook_url or f"{base}/stripe"
        self.stripe_connect_webhook_url = self.stripe_connect_webhook_url or self.stripe_webhook_url
        self.stripe_connect_webhook_secret = self.stripe_connect_webhook_secret or self.stripe_webhook_secret
        self.omise_webhook_url = self.omise_webhook_url or f"{base}/omise"
        chats = self.web.rstrip("/") + "/api/v1/channels/webhook"
        self.whatsapp_webhook_url = self.whatsapp_webhook_url or f"{chats}/whatsapp"
        self.twilio_inbound_url = self.twilio_inbound_url or f"{chats}/twilio/inbound"
        self.sepay_webhook_url = self.sepay_webhook_url or f"{base}/sepay"
        return self

    def may_call(self, url: str) -> bool:
        """Whether a callback may go to `url`: this machine and the configured app, nobody else."""
        try:
            target = urlsplit(url)
            _ = target.port  # parsed, and refused, only when asked for
        except ValueError:
            return False
        if target.scheme not in {"http", "https"} or not target.hostname:
            return False
        if target.hostname in {"localhost", urlsplit(self.web).hostname}:
            return True
        try:
            return ip_address(target.hostname).is_loopback
        except ValueError:
            return False
