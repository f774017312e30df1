"""RazorpayX's settings, under the names its own documentation uses."""

from tillhouse.kernel.settings import ModuleSettings, setting


class RazorpayXSettings(ModuleSettings):
    """Keys of RazorpayX. The development values are the sandbox's own and open nothing else."""

    prefix = "razorpayx"

    account_number: str = setting(
        "2323230041626905", "The RazorpayX account that payouts leave from.", development_only=True
    )
    key_id: str = setting("rzp_test_tillhouse", "Key id of RazorpayX.", development_only=True)
    key_secret: str = setting(
        "rzp_test_secret_tillhouse", "Key secret of RazorpayX.", secret=True, development_only=True
    )
    webhook_secrets: tuple[str, ...] = setting(
        ("rzpx_test_webhook_secret_tillhouse",),
        "Secrets of RazorpayX's webhook, newest first: while one is rotated, retries are signed with the old one.",
        aliases=("RAZORPAYX_WEBHOOK_SECRET",),
        secret=True,
        development_only=True,
    )
    base_url: str = setting("", "Where RazorpayX answers. Empty: the sandbox where there is one, else the real one.")
    narration: str = setting("Tillhouse", "What the payee's bank statement says: at most 30 letters, digits, spaces.")


SETTINGS = RazorpayXSettings
