"""Typst, from its wheel: typesetting with tagged PDF/A out of the box and nothing to install beside it."""
