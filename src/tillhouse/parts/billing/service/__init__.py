"""Use cases of billing inside one transaction."""
