"""Use cases of identity, each inside one transaction."""
