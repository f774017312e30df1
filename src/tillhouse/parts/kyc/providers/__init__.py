"""Checks and readers, one folder each: deleting the folder removes it."""
