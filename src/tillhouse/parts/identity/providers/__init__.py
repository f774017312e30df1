"""Adapters, one folder per vendor."""
