"""Stripe's settings, under the names its own documentation uses."""

from tillhouse.kernel.settings import ModuleSettings, setting


class StripeSettings(ModuleSettings):
    """Keys of Stripe. The development values are the sandbox's own and open nothing else."""

    prefix = "stripe"

    secret_key: str = setting("sk_test_tillhouse", "Secret key of Stripe.", secret=True, development_only=True)
    webhook_secrets: tuple[str, ...] = setting(
        ("whsec_tillhouse",),
        "Signing secrets of Stripe's webhook endpoint, newest first.",
        aliases=("STRIPE_WEBHOOK_SECRET",),
        secret=True,
        development_only=True,
    )
    base_url: str = setting("", "Where Stripe answers. Empty: the sandbox where there is one, else the real one.")


SETTINGS = StripeSettings
