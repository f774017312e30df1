"""Tillhouse: one house for apps that take money and do work for it."""

__version__ = "0.1.0"
