"""Settings of billing."""

from datetime import timedelta

from pydantic import NonNegativeInt, PositiveInt, field_validator

from tillhouse.kernel.settings import ModuleSettings, setting
from tillhouse.parts.billing.domain import Dunning


class BillingSettings(ModuleSettings):
    """When invoices are written and asked for, and what the use of models is paid with."""

    prefix = "billing"

    lead_days: PositiveInt = setting(3, "Days before a period ends at which the next one's invoice is written.")
    retry_days: tuple[int, ...] = setting(
        (1, 3, 7), "Days after an invoice was due at which it is asked for again, separated by commas."
    )
    grace_days: NonNegativeInt = setting(7, "Days that a subscription goes on after it was asked for the last time.")
    patience_hours: PositiveInt = setting(
        48, "Hours that the first invoice of a subscription, or one for points, waits to be paid."
    )
    charge_minutes: PositiveInt = setting(
        30, "Minutes after which points that work has reserved are free again, unless the work says otherwise."
    )

    points_per_dollar: PositiveInt = setting(
        100, "Points that a US dollar of a model's list price takes from whoever pays for its use, rounded up."
    )
    paid_purposes: tuple[str, ...] = setting(
        ("ai.pictures",),
        "Uses of models that their owners pay with points, by purpose, separated by commas; those that products sell "
        "come with them. All others are counted alone, and the house pays. Empty: it pays for pictures, too.",
    )

    @field_validator("retry_days")
    @classmethod
    def _rise(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(day <= 0 for day in value) or sorted(set(value)) != list(value):
            raise ValueError("write days above 0, each later than the one before")
        return value

    @property
    def dunning(self) -> Dunning:
        """The times as the rules of subscriptions take them."""
        return Dunning(
            lead=timedelta(days=self.lead_days),
            retries=[timedelta(days=day) for day in self.retry_days],
            grace=timedelta(days=self.grace_days),
            patience=timedelta(hours=self.patience_hours),
        )
