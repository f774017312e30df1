"""Settings of kyc."""

from typing import Literal

from pydantic import PositiveInt, field_validator

from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import ModuleSettings, setting


class KycSettings(ModuleSettings):
    """How long things last. What a law asks of your business decides: see docs/howto/review-kyc.md."""

    prefix = "KYC"

    valid_days: PositiveInt = setting(730, "Days that an approved level stands.")
    remind_days: PositiveInt = setting(30, "Days before the end at which its owner is reminded and may renew.")
    keep_papers_days: PositiveInt = setting(
        1825, "Days that papers and what they say are kept after a case has ended (India's PMLA: five years)."
    )
    keep_unfinished_days: PositiveInt = setting(60, "Days that papers are kept which were never handed in.")
    most_paper_megabytes: PositiveInt = setting(10, "Largest paper that is taken, in MB.")
    organisation_payouts: Literal["none", "basic", "payout"] = setting(
        "basic",
        "Level that an organisation and the member who acts for it must have reached before its money is paid out.",
    )
    payouts_ask_above: tuple[str, ...] = setting(
        (),
        "Withdrawals within 24 hours above which a person needs the level `payout`, each as INR=50000.00, separated by "
        "commas. A currency that is not named asks for none.",
    )
    review_minutes: PositiveInt = setting(30, "Minutes for which a case is its reviewer's alone.")

    @field_validator("payouts_ask_above")
    @classmethod
    def _are_amounts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                if _amount(one).minor < 0:
                    raise ValueError("an amount is not below zero")
            except InvalidInput:
                raise ValueError("write each as INR=50000.00") from None
        return value

    def unseen_payouts(self, unit: str) -> Money | None:
        """The most that a person may withdraw within 24 hours without the level `payout`; None: any amount."""
        return next((amount for amount in map(_amount, self.payouts_ask_above) if amount.unit == unit), None)


def _amount(said: str) -> Money:
    unit, _, amount = said.partition("=")
    return Money.parse(amount.strip(), unit.strip())
