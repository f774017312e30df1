"""Use cases of the ledger, each inside the caller's transaction."""
