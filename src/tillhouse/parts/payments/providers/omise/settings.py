"""Omise's settings, under the names its own documentation uses."""

from tillhouse.kernel.settings import ModuleSettings, setting


class OmiseSettings(ModuleSettings):
    """Keys of Omise. The development values are the sandbox's own and open nothing else."""

    prefix = "omise"

    public_key: str = setting("pkey_test_tillhouse", "Public key of Omise.", development_only=True)
    secret_key: str = setting("skey_test_tillhouse", "Secret key of Omise.", secret=True, development_only=True)
    webhook_secrets: tuple[str, ...] = setting(
        ("b21pc2VfdGVzdF93ZWJob29rX3NlY3JldF90aWxsaG91c2U=",),
        "Secrets of Omise's webhook as the dashboard shows them (base64), newest first.",
        aliases=("OMISE_WEBHOOK_SECRET",),
        secret=True,
        development_only=True,
    )
    base_url: str = setting("", "Where Omise answers. Empty: the sandbox where there is one, else the real one.")


SETTINGS = OmiseSettings
