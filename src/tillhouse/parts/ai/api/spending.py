"""For whoever limits or charges the use of models: provide a `SpendGuard`. Costs are billionths of `unit`."""

from tillhouse.parts.ai.domain.calls import UsageLine
from tillhouse.parts.ai.domain.prices import NANO
from tillhouse.parts.ai.ports.spending import CountedCall, PlannedCall, Quote, SpendGuard
from tillhouse.parts.ai.service.metering import usage_of

__all__ = ["NANO", "CountedCall", "PlannedCall", "Quote", "SpendGuard", "UsageLine", "usage_of"]
