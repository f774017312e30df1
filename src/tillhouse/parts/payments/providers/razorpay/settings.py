"""Razorpay's settings, under the names its own documentation uses."""

from tillhouse.kernel.settings import ModuleSettings, setting


class RazorpaySettings(ModuleSettings):
    """Keys of Razorpay. The development values are the sandbox's own and open nothing else."""

    prefix = "razorpay"

    key_id: str = setting("rzp_test_tillhouse", "Key id of Razorpay.", development_only=True)
    key_secret: str = setting(
        "rzp_test_secret_tillhouse", "Key secret of Razorpay.", secret=True, development_only=True
    )
    webhook_secrets: tuple[str, ...] = setting(
        ("rzp_test_webhook_secret_tillhouse",),
        "Secrets of Razorpay's webhook, newest first: while one is rotated, retries are signed with the old one.",
        aliases=("RAZORPAY_WEBHOOK_SECRET",),
        secret=True,
        development_only=True,
    )
    base_url: str = setting("", "Where Razorpay answers. Empty: the sandbox where there is one, else the real one.")


SETTINGS = RazorpaySettings
