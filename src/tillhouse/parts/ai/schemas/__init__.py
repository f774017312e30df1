"""Requests and responses of ai, a file per use."""
