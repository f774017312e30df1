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
    """An account was saved that money may go to. `by`: the person or machine that did it."""

    payee_id: UUID
    by: UUID | None = None


@event("payments.refund_requested")
class RefundRequested(Event):
    """Money is set aside to go back to its payer, or went back at the gateway's own dashboard."""

    refund_id: UUID


@event("payments.refund_processed")
class RefundProcessed(Event):
    """Money went back to its payer."""

    refund_id: UUID


@event("payments.refund_failed")
class RefundFailed(Event):
    """Money did not go back to its payer, or came back from their bank: it is in the wallet again."""

    refund_id: UUID


@event("payments.dispute_opened")
class DisputeOpened(Event):
    """A payer's bank wants money back. What there is of it is set aside."""

    dispute_id: UUID


@event("payments.dispute_lost")
class DisputeLost(Event):
    """A payer's bank took its money back: what was sold for it is not paid for any more."""

    dispute_id: UUID


@event("payments.dispute_won")
class DisputeWon(Event):
    """A payer's bank left the money with us."""

    dispute_id: UUID


@event("payments.card_removed")
class CardRemoved(Event):
    """Its owner took a saved card away: it is charged no more."""

    card_id: UUID


@task("payments.check_card", lane="money")
class CheckCard(Task):
    """Ask a gateway whether somebody has given their card."""

    card_id: UUID


@task("payments.forget_card", lane="quick")
class ForgetCard(Task):
    """Have a gateway forget a card that was removed here."""

    card_id: UUID


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


@task("payments.send_refund", lane="money")
class SendRefund(Task):
    """Give back what is set aside, or ask what became of it."""

    refund_id: UUID


@task("payments.check_refunds", lane="money")
class CheckRefunds(Task):
    """Take in every refund of a payment that the gateway has: some may have been made at its own dashboard."""

    payment_id: UUID


@task("payments.check_dispute", lane="money")
class CheckDispute(Task):
    """Ask the gateway how a dispute stands."""

    dispute_id: UUID


@task("payments.poll_transfers", lane="money")
class PollTransfers(Task):
    """Ask for bank transfers that no event told us of."""


@task("payments.look_after", lane="money")
class LookAfter(Task):
    """Ask about every order and payout that is due for it, and name those that are too old."""


@task("payments.prune_events", lane="slow")
class PruneEvents(Task):
    """Forget providers' events that are older than the settings keep them."""


@task("payments.reconcile", lane="money")
class Reconcile(Task):
    """Plan a question about every provider's last days, and name what has been under way too long."""


@task("payments.reconcile_day", lane="money")
class ReconcileDay(Task):
    """Hold a provider's report of one day (ISO) against our books and our bank."""

    provider: str
    day: str


@task("payments.import_transfers", lane="money")
class ImportTransfers(Task):
    """Take what a provider saw on our bank accounts as lines of our bank."""

    provider: str
