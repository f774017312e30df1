"""The tables of ai, a file per group; every row class is imported here."""

from tillhouse.parts.ai.models.calls import CallRow, PriceListRow
from tillhouse.parts.ai.models.images import ImageJobRow
from tillhouse.parts.ai.models.retrieval import CollectionRow, DocumentRow, PageRow, PassageRow, VectorRow

__all__ = [
    "CallRow",
    "CollectionRow",
    "DocumentRow",
    "ImageJobRow",
    "PageRow",
    "PassageRow",
    "PriceListRow",
    "VectorRow",
]
