"""The tables of ai, a file per group; every row class is imported here."""

from tillhouse.parts.ai.models.calls import CallRow, PriceListRow

__all__ = ["CallRow", "PriceListRow"]
