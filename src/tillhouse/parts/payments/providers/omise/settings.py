"""Omise's settings, under the names its own documentation uses."""

from pydantic import field_validator

from tillhouse.kernel.settings import ModuleSettings, setting
from tillhouse.parts.payments.domain.amounts import Amounts, amounts_from

_STANDARD_FEES = Amounts.of(THB="30.00")


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
    transfer_fees: Amounts = setting(
        _STANDARD_FEES,
        "What Omise keeps of a transfer, its tax included: the house adds it, so that the payee gets the whole amount. "
        'By currency, in major units: {"THB": "30.00"}.',
    )
    base_url: str = setting("", "Where Omise answers. Empty: the sandbox where there is one, else the real one.")

    @field_validator("transfer_fees", mode="before")
    @classmethod
    def _are_amounts(cls, value: object) -> Amounts:
        if isinstance(value, str) and not value.strip().startswith("{"):
            raise ValueError('write {"THB": "30.00"}')  # elsewhere a number alone is paise
        return amounts_from(value, _STANDARD_FEES)


SETTINGS = OmiseSettings
