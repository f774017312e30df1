"""What people say became of a payout or a refund whose end its provider does not tell, or tells otherwise than we have.

The provider is asked once more before anything is booked: what people say decides only what it leaves open.
"""

from dataclasses import dataclass
from enum import StrEnum

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain.payouts import PayoutState
from tillhouse.parts.payments.domain.refunds import RefundState


class Outcome(StrEnum):
    """What became of it."""

    NEVER_HAPPENED = "never_happened"
    HAPPENED = "happened"


@dataclass(frozen=True, slots=True)
class Ending:
    """What is said of one payout or refund; `provider_id` is what the provider calls it, where it did happen."""

    outcome: Outcome
    provider_id: str | None = None


# The reasons of exceptions that end like this; the others end by a correction or an explanation.
ENDED_BY_A_WORD = frozenset({"unknown_to_provider", "unfinished_too_long", "provider_disagrees"})

_P, _R = PayoutState, RefundState
PAYOUTS_WITHOUT_END = frozenset({_P.SENDING, _P.UNKNOWN, _P.PROCESSING})
REFUNDS_WITHOUT_END = frozenset({_R.SENDING, _R.UNKNOWN, _R.PENDING})


def ending_from(outcome: Outcome, provider_id: str | None) -> Ending:
    """An ending as somebody wrote it. Raises `InvalidInput` unless the provider's id is there where it is needed."""
    named = (provider_id or "").strip() or None
    if outcome == Outcome.HAPPENED and named is None:
        message = N_("Write the id under which the provider has it: it is looked up there.")
        raise InvalidInput(message, errors=[FieldError("/provider_id", "missing", message)])
    return Ending(outcome, named if outcome == Outcome.HAPPENED else None)
