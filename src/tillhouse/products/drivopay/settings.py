"""What can be set of DrivoPay."""

from tillhouse.kernel.settings import ModuleSettings, setting


class DrivopaySettings(ModuleSettings):
    """`DRIVOPAY_…`."""

    prefix = "DRIVOPAY"

    wallet_partner: str = setting(
        "", "The partner, authorised by the Reserve Bank of India, that wallets are kept with. Empty: a trial, as told."
    )
    quick_amounts: tuple[int, ...] = setting(
        (200, 500, 1000, 2000), "Rupees that are one tap away when money is added, separated by commas."
    )
