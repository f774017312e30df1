"""SePay's settings: one bank account that transfers come to, and the payment gateway."""

from tillhouse.kernel.settings import ModuleSettings, setting


class SepaySettings(ModuleSettings):
    """Keys of SePay. The development values are the sandbox's own and open nothing else."""

    prefix = "sepay"

    account_number: str = setting("0071000888888", "The bank account that transfers come to.", development_only=True)
    account_name: str = setting(
        "CONG TY TILLHOUSE", "Whose account that is, as the bank writes it.", development_only=True
    )
    bank_name: str = setting("Vietcombank", "The bank of that account, as people call it.")
    bank_bin: str = setting("970436", "The six digits by which NAPAS knows that bank.")
    api_token: str = setting(
        "sepay_test_api_token_tillhouse", "Token of SePay's API.", secret=True, development_only=True
    )
    api_keys: tuple[str, ...] = setting(
        (),
        "Keys with which SePay's webhook says who it is, newest first, where it is set to `Apikey`.",
        aliases=("SEPAY_API_KEY",),
        secret=True,
    )
    webhook_secrets: tuple[str, ...] = setting(
        ("sepay_test_webhook_secret_tillhouse",),
        "Secrets with which SePay signs its webhooks, newest first.",
        aliases=("SEPAY_WEBHOOK_SECRET",),
        secret=True,
        development_only=True,
    )
    merchant_id: str = setting("SP-TEST-TILLHOUSE", "Merchant id at SePay's payment gateway.", development_only=True)
    secret_key: str = setting(
        "spsk_test_tillhouse", "Secret key of SePay's payment gateway.", secret=True, development_only=True
    )
    base_url: str = setting(
        "", "Where all of SePay answers, as in the sandbox. Empty: the sandbox where there is one, else the real ones."
    )


SETTINGS = SepaySettings
