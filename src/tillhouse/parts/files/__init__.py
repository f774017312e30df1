"""Stored files, each with an owner."""
