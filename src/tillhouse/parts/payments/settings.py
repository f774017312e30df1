"""Limits and times of payments. Amounts are minor units (paise)."""

from datetime import timedelta

from pydantic import NonNegativeInt, PositiveInt, field_validator

from tillhouse.kernel.settings import ModuleSettings, setting
from tillhouse.parts.payments.domain.velocity import Limit, limits_for, parse_amount, parse_limit


class PaymentsSettings(ModuleSettings):
    """What may be paid in and out, and when somebody is asked."""

    prefix = "payments"

    gateway: str = setting("razorpay", "The gateway that new orders go to.")
    payout_gateway: str = setting("razorpayx", "The provider that payouts go to where several could make them.")
    deposit_min: int = setting(100, "Smallest deposit, in minor units.")
    deposit_max: int = setting(10_000_000, "Largest deposit, in minor units.")
    withdrawal_min: int = setting(100, "Smallest withdrawal, in minor units.")
    withdrawal_max: int = setting(10_000_000, "Largest withdrawal, in minor units.")
    withdrawal_daily: int = setting(20_000_000, "Most that one owner may withdraw within 24 hours, in minor units.")
    withdrawal_step_up_above: int = setting(
        1_000_000, "Withdrawals within 24 hours that are together above this ask who the person is, in minor units."
    )
    withdrawal_approval_above: int = setting(
        5_000_000, "A payout above this waits for the approval of a second person, in minor units."
    )
    order_minutes: int = setting(30, "Minutes after which an unpaid order expires.")
    capture_after_seconds: int = setting(
        120, "Seconds after which a payment that is authorised but not captured is captured by us."
    )
    too_old_hours: int = setting(24, "Hours after which an order or payout that is not final becomes an exception.")
    keep_events_days: int = setting(90, "Days for which providers' events are kept.")

    @property
    def capture_after(self) -> timedelta:
        return timedelta(seconds=self.capture_after_seconds)

    @property
    def too_old(self) -> timedelta:
        return timedelta(hours=self.too_old_hours)


class PayoutGuards(ModuleSettings):
    """What keeps a payout back, or has a person look at it first.

    Amounts are written `INR=2500000`, limits `INR=hour:20:10000000` (how many, how much), in minor units and separated
    by commas. A currency without an amount is guarded from the first unit on; one without limits has none.
    """

    prefix = "payouts"

    verify_above: tuple[str, ...] = setting(
        ("INR=2500000", "THB=1000000", "USD=50000"),
        "Above this within 24 hours to one account, the bank has to have told whose account it is.",
    )
    partial_names_pass: bool = setting(
        False, "Whether a name that agrees in part, or that the bank did not tell, needs no look by a person."
    )
    cooling_hours: NonNegativeInt = setting(24, "Hours for which an account that was just added is new.")
    cooling_above: tuple[str, ...] = setting(
        ("INR=2500000", "THB=1000000", "USD=50000"), "What may go to a new account together while it is new."
    )
    persons_per_account: PositiveInt = setting(
        3, "Persons who may be paid out to one account; from the next one on, a person looks."
    )
    second_approval_above: tuple[str, ...] = setting(
        ("INR=7500000", "THB=3000000", "USD=250000"), "Above this, a payout that waits needs two approvals."
    )
    most_payees: PositiveInt = setting(20, "Accounts that one person may have saved.")
    person_limits: tuple[str, ...] = setting(
        (
            "INR=hour:20:20000000", "INR=day:50:20000000", "INR=week:200:70000000",
            "THB=hour:10:5000000", "THB=day:20:10000000", "THB=week:60:40000000",
            "USD=hour:10:500000", "USD=day:20:1000000", "USD=week:60:4000000",
        ),
        "Most that one person may withdraw; more is refused.",
    )  # fmt: skip
    payee_limits: tuple[str, ...] = setting(
        ("INR=hour:15:20000000", "INR=day:30:20000000", "THB=day:20:10000000", "USD=day:20:1000000"),
        "Most that one person may withdraw to one account; more is refused.",
    )
    account_limits: tuple[str, ...] = setting(
        ("INR=day:60:50000000", "THB=day:30:20000000", "USD=day:30:2000000"),
        "Most that may go to one account from all persons together; more is looked at.",
    )
    house_limits: tuple[str, ...] = setting(
        ("INR=hour:2000:500000000", "THB=hour:1000:200000000", "USD=hour:1000:20000000"),
        "Most that may leave the house; while it is more, each further payout is looked at.",
    )

    @field_validator("verify_above", "cooling_above", "second_approval_above")
    @classmethod
    def _are_amounts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            parse_amount(one)
        return value

    @field_validator("person_limits", "payee_limits", "account_limits", "house_limits")
    @classmethod
    def _are_limits(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            parse_limit(one)
        return value

    @property
    def cooling(self) -> timedelta:
        return timedelta(hours=self.cooling_hours)

    def amount(self, of: tuple[str, ...], currency: str) -> int:
        """What an amount setting says for a currency, in its minor units; 0 where it says nothing."""
        return dict(map(parse_amount, of)).get(currency, 0)

    def limits(self, of: tuple[str, ...], currency: str) -> list[Limit]:
        """What a limit setting says for a currency."""
        return limits_for(of, currency)
