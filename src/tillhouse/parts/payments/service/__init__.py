"""Use cases of payments, each inside the caller's transaction."""
