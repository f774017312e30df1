"""Wallets: what a person sees of the ledger."""
