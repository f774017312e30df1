"""Vectors of texts; None where the house has no model for them."""

from tillhouse.parts.ai.flows.embedding import Vectors, embed

__all__ = ["Vectors", "embed"]
