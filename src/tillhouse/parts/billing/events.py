"""What billing tells the house, and what it asks of the background. Ids only."""

from uuid import UUID

from tillhouse.kernel.work import Event, Task, event, task


@event("billing.subscription_changed")
class SubscriptionChanged(Event):
    """A subscription began, was renewed, changed its plan or state, or ended."""

    subscription_id: UUID


@event("billing.invoice_written")
class InvoiceWritten(Event):
    """Something is to be paid for."""

    invoice_id: UUID


@event("billing.invoice_paid")
class InvoicePaid(Event):
    """Something was paid for, and what was sold is given."""

    invoice_id: UUID


@event("billing.payment_asked_for")
class PaymentAskedFor(Event):
    """An invoice that is due could not be charged: its owner is asked to pay it."""

    invoice_id: UUID


@task("billing.advance", lane="money")
class Advance(Task):
    """Bring one subscription up to date."""

    subscription_id: UUID


@task("billing.charge_renewal", lane="money")
class ChargeRenewal(Task):
    """Charge a saved card for an invoice, or ask what became of that."""

    invoice_id: UUID
    attempt: int


@task("billing.look_after", lane="money")
class LookAfter(Task):
    """Plan a look at every subscription and charge that is due for one, free what abandoned work has reserved, and give
    up what nobody has paid for.
    """


@task("billing.recognise", lane="slow")
class Recognise(Task):
    """Book what was earned since yesterday of what people have paid in advance."""
