"""A Checkout session follows its payment intent."""

from tillhouse.sandbox.stripe.events import emit
from tillhouse.sandbox.stripe.payment_schemas import PaymentIntent
from tillhouse.sandbox.stripe.session_schemas import Session
from tillhouse.sandbox.world import World


def follow(world: World, intent: PaymentIntent) -> None:
    """Bring an intent's session up to date after the intent moved. Needs a transaction."""
    session = world.store.get(Session, intent.session or "")
    if session is None:
        return
    if session.status == "complete":
        _settle_later(world, session, intent)
    elif intent.status in {"succeeded", "requires_capture", "processing"}:
        session.status, session.url = "complete", None
        session.payment_status = "paid" if intent.status == "succeeded" else "unpaid"
        world.store.put(session)
        emit(world, "checkout.session.completed", session)


def _settle_later(world: World, session: Session, intent: PaymentIntent) -> None:
    if session.payment_status == "paid" or intent.status not in {"succeeded", "requires_payment_method"}:
        return
    if intent.status == "succeeded":
        session.payment_status = "paid"
    world.store.put(session)
    if intent.capture_method != "manual":
        outcome = "succeeded" if intent.status == "succeeded" else "failed"
        emit(world, f"checkout.session.async_payment_{outcome}", session)
