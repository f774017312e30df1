"""Use cases of channels inside one transaction."""
