"""Carriers, one folder each."""
