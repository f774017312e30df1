"""What payments tell the house, and what they ask of the background. Ids only."""

from uuid import UUID

from tillhouse.kernel.work import Event, Task, event, task


@event("payments.payment_captured")
class PaymentCaptured(Event):
    """Money came in and is booked."""

    payment_id: UUID


@event("payments.payment_failed")
class PaymentFailed(Event):
    """A try at paying an order did not go through."""

    payment_id: UUID


@event("payments.payout_requested")
class PayoutRequested(Event):
    """Money is set aside to be paid out."""

    payout_id: UUID


@event("payments.payout_processed")
class PayoutProcessed(Event):
    """Money went out."""

    payout_id: UUID


@event("payments.payout_failed")
class PayoutFailed(Event):
    """Money did not go out, and is free in the wallet again."""

    payout_id: UUID


@event("payments.payout_reversed")
class PayoutReversed(Event):
    """Money went out, came back, and is in the wallet again."""

    payout_id: UUID


@event("payments.payee_added")
class PayeeAdded(Event):
    """An account was saved that money may go to."""

    payee_id: UUID


@task("payments.handle_event", lane="money")
class HandleEvent(Task):
    """Settle what a provider's event is about, after asking the provider."""

    event_row_id: UUID


@task("payments.check_order", lane="money")
class CheckOrder(Task):
    """Ask the gateway what became of an order."""

    order_id: UUID


@task("payments.capture_payment", lane="money")
class CapturePayment(Task):
    """Take what is authorised, if the gateway has not done so by itself."""

    payment_id: UUID


@task("payments.settle_purpose", lane="money")
class SettlePurpose(Task):
    """Let the product have another try at a payment that it crashed on."""

    payment_id: UUID


@task("payments.send_payout", lane="money")
class SendPayout(Task):
    """Pay out what is reserved, or ask what became of it."""

    payout_id: UUID


@task("payments.check_payee", lane="money")
class CheckPayee(Task):
    """Ask the bank whose account a payee is, or what became of the question."""

    payee_id: UUID


@task("payments.look_after", lane="money")
class LookAfter(Task):
    """Ask about every order and payout that is due for it, and name those that are too old."""


@task("payments.prune_events", lane="slow")
class PruneEvents(Task):
    """Forget providers' events that are older than the settings keep them."""
