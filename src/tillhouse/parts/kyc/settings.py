"""Settings of kyc."""

from typing import Literal

from pydantic import PositiveInt

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
    review_minutes: PositiveInt = setting(30, "Minutes for which a case is its reviewer's alone.")
