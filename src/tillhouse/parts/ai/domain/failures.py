"""How calls to models fail, in the house's words."""

from typing import Literal

from tillhouse.kernel.errors import DomainError, TransientError
from tillhouse.kernel.text import N_

Trouble = Literal["not_sent", "busy", "down", "late", "cut", "refused", "nonsense"]

# Nothing was done, and the same call may be made again: the endpoint was not reached, or said that it did not begin.
SAFE_TO_REPEAT: frozenset[Trouble] = frozenset({"not_sent", "busy", "down"})
# What says something of the endpoint, not of what was asked.
COUNTS_AGAINST_ENDPOINT: frozenset[Trouble] = frozenset({"not_sent", "busy", "down", "late", "cut", "nonsense"})


class ModelFailure(Exception):
    """An endpoint did not do what it was asked. Adapters raise it; flows turn it into one of the errors below.

    `detail` is the endpoint's own code (`rate_limit_exceeded`, `http_500`), never its text: that may quote the prompt.
    `retry_after` is in seconds.
    """

    def __init__(
        self, trouble: Trouble, detail: str = "", *, request_id: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(trouble, detail)
        self.trouble = trouble
        self.detail = detail
        self.request_id = request_id
        self.retry_after = retry_after


class ModelUnavailable(TransientError):
    """No model of the chain answered this time. Nothing is charged."""

    code = "model_unavailable"


class ModelLate(TransientError):
    """A model took longer than it may. Nothing is charged but what it had produced."""

    code = "model_late"


class AnswerCut(TransientError):
    """The connection broke in the middle of an answer. What had arrived is metered, and must not be taken for whole."""

    code = "answer_cut"


class ModelRefused(DomainError):
    """The endpoint will not do this, now or later: a wrong key, an unknown model, a request that is too long."""

    code = "model_refused"
    status = 502


class WrongShape(DomainError):
    """The model did not answer in the shape that was asked for, also after it was told what was wrong."""

    code = "wrong_shape"
    status = 502


class NoPrice(DomainError):
    """A model without a price is not called: nobody would know what it costs."""

    code = "no_price"
    status = 500


class UnknownModel(DomainError):
    """No endpoint of this house serves a model of this name."""

    code = "unknown_model"
    status = 500


def as_error(failure: ModelFailure, model: str) -> DomainError:
    """The error that callers see, with a sentence for a person."""
    if failure.trouble == "refused":
        return ModelRefused(N_("{model} will not answer this. Our staff can see why."), model=model)
    if failure.trouble == "cut":
        return AnswerCut(N_("The answer broke off. Try again: what is missing is not charged."))
    if failure.trouble == "late":
        return ModelLate(N_("The answer took too long. Try again; nothing that did not come is charged."))
    return ModelUnavailable(N_("No model can answer right now. Try again in a minute; nothing was charged."))
