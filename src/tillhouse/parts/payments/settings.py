"""Limits and times of payments."""

import re
from datetime import timedelta

from pydantic import NonNegativeInt, PositiveInt, ValidationInfo, field_validator

from tillhouse.kernel.money import MAX_MINOR
from tillhouse.kernel.settings import ModuleSettings, setting
from tillhouse.parts.payments.domain.amounts import Amounts, amounts_from
from tillhouse.parts.payments.domain.reconciliation import days_of
from tillhouse.parts.payments.domain.statements import CsvColumns
from tillhouse.parts.payments.domain.velocity import Limit, limits_for, parse_amount, parse_limit

_LIMITS = re.compile(r"([A-Z_]{3,12})=(\d{1,18})-(\d{1,18})")
_FORM = 'By currency, in major units: {"INR": "500.00", "VND": "100000"}; a number alone is paise.'
_PREFIX = re.compile(r"[A-Z][A-Z0-9]{1,4}")


class PaymentsSettings(ModuleSettings):
    """What may be paid in and out, and when somebody is asked."""

    prefix = "payments"

    gateway: str = setting("razorpay", "The gateway that new orders go to, where it suits the buyer.")
    gateways: tuple[str, ...] = setting(
        (), "Gateways in the order in which they are preferred. Empty: PAYMENTS_GATEWAY, then all others."
    )
    payout_gateway: str = setting("razorpayx", "The provider that payouts go to where several could make them.")
    deposit_min: Amounts = setting(Amounts.of(INR="1", THB="20", USD="0.50", VND="2000"), f"Smallest payment. {_FORM}")
    deposit_max: Amounts = setting(
        Amounts.of(INR="100000", THB="150000", USD="10000", VND="500000000"), f"Largest payment. {_FORM}"
    )
    deposit_limits: tuple[str, ...] = setting(
        (), "Smallest and largest payment as they were said before, each as THB=2000-15000000: these win."
    )
    transfer_prefix: str = setting("TLH", "What the codes of bank transfers begin with: capital letters and digits.")
    transfer_accounts: tuple[str, ...] = setting(
        (), "Numbers of our bank accounts that take payments. Empty: every account that a provider tells of."
    )
    withdrawal_min: Amounts = setting(
        Amounts.of(INR="1", THB="20", USD="1", VND="10000"), f"Smallest withdrawal. {_FORM}"
    )
    withdrawal_max: Amounts = setting(
        Amounts.of(INR="100000", THB="100000", USD="10000", VND="50000000"), f"Largest withdrawal. {_FORM}"
    )
    withdrawal_daily: Amounts = setting(
        Amounts.of(INR="200000", THB="200000", USD="20000", VND="100000000"),
        f"Most that one owner may withdraw within 24 hours. {_FORM}",
    )
    withdrawal_step_up_above: Amounts = setting(
        Amounts.of(INR="10000", THB="5000", USD="200", VND="5000000"),
        f"Withdrawals within 24 hours that are together above this ask who the person is. {_FORM} "
        "In a currency that is not named, every one asks.",
    )
    withdrawal_approval_above: Amounts = setting(
        Amounts.of(INR="50000", THB="25000", USD="1000", VND="25000000"),
        f"A payout above this waits for the approval of a second person. {_FORM} "
        "In a currency that is not named, every one waits.",
    )
    order_minutes: int = setting(30, "Minutes after which an unpaid order expires.")
    card_charge_hours: int = setting(
        12, "Hours for which an unanswered charge of a saved card is asked about, below the 24 that Stripe keeps keys."
    )
    capture_after_seconds: int = setting(
        120, "Seconds after which a payment that is authorised but not captured is captured by us."
    )
    too_old_hours: int = setting(24, "Hours after which an order or payout that is not final becomes an exception.")
    approval_too_old_hours: int = setting(
        24, "Hours after which a payout that waits for approval becomes an exception."
    )
    remind_days: PositiveInt = setting(
        7, "Days after which something that two people explained, and that is so still, becomes an exception again."
    )
    refund_too_old_days: int = setting(10, "Days after which a refund that is not final becomes an exception.")
    keep_events_days: int = setting(90, "Days for which providers' events are kept.")
    reconcile_days: int = setting(3, "Days back for which providers' reports are asked for again each day.")
    settlement_days: tuple[str, ...] = setting(
        ("razorpay=3", "stripe=7", "omise=7"),
        "Days within which a provider reports a captured payment, each as provider=days; later it is missing.",
    )
    ageing_days: tuple[str, ...] = setting(
        ("clearing=7", "settling=3", "payouts=3", "suspense=7"),
        "Days after which an open item of such an account is put before a person, each as kind=days.",
    )
    statement_max_bytes: int = setting(5_000_000, "Largest bank statement that is imported, in bytes.")
    statement_csv: tuple[str, ...] = setting(
        (),
        "Columns of CSV statements, each as what=name: date, reference, text, amount or debit and credit, balance, "
        "currency; also date_format, delimiter and decimal.",
    )

    @field_validator("settlement_days", "ageing_days")
    @classmethod
    def _are_days(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        days_of(value)
        return value

    @field_validator("statement_csv")
    @classmethod
    def _are_columns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        CsvColumns.declared(value)
        return value

    def settlement_time(self, provider: str) -> timedelta:
        """How long a provider may take to report a payment that it captured."""
        return timedelta(days=days_of(self.settlement_days).get(provider, 7))

    @field_validator("deposit_limits")
    @classmethod
    def _are_limits(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not _LIMITS.fullmatch(one):
                raise ValueError("write each as THB=2000-15000000")
        return value

    @field_validator("transfer_prefix")
    @classmethod
    def _is_a_prefix(cls, value: str) -> str:
        if not _PREFIX.fullmatch(value):
            raise ValueError("a letter, then one to four capital letters or digits")
        return value

    @field_validator(
        "deposit_min", "deposit_max", "withdrawal_min", "withdrawal_max", "withdrawal_daily",
        "withdrawal_step_up_above", "withdrawal_approval_above", mode="before",
    )  # fmt: skip
    @classmethod
    def _are_amounts(cls, value: object, info: ValidationInfo) -> Amounts:
        return amounts_from(value, cls.model_fields[str(info.field_name)].default)

    def deposit_range(self, unit: str) -> tuple[int, int]:
        """The smallest and the largest payment in `unit`, in its minor units. One with no limit of its own has none."""
        for one in self.deposit_limits:
            found = _LIMITS.fullmatch(one)
            if found and found[1] == unit:
                return int(found[2]), int(found[3])
        return self.deposit_min.within(unit, 1), self.deposit_max.within(unit, MAX_MINOR)

    def withdrawal_range(self, unit: str) -> tuple[int, int]:
        """The smallest and the largest withdrawal in `unit`, in its minor units."""
        return self.withdrawal_min.within(unit, 1), self.withdrawal_max.within(unit, MAX_MINOR)

    @property
    def capture_after(self) -> timedelta:
        return timedelta(seconds=self.capture_after_seconds)

    @property
    def too_old(self) -> timedelta:
        return timedelta(hours=self.too_old_hours)

    @property
    def approval_too_old(self) -> timedelta:
        return timedelta(hours=self.approval_too_old_hours)

    @property
    def remind_after(self) -> timedelta:
        return timedelta(days=self.remind_days)

    @property
    def refund_too_old(self) -> timedelta:
        return timedelta(days=self.refund_too_old_days)


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
        ("INR=7500000", "THB=3000000", "USD=250000", "VND=37500000"),
        "Above this, a payout that waits needs two approvals, and two people say what a bank transfer is for.",
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
