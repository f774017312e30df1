"""The double-entry ledger: accounts, transactions that sum to zero, holds."""
