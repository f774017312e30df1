"""The tables of ai, a file per group; every row class is imported here."""

from tillhouse.parts.ai.models.retrieval import CollectionRow, DocumentRow, PageRow, PassageRow, VectorRow

__all__ = ["CollectionRow", "DocumentRow", "PageRow", "PassageRow", "VectorRow"]
