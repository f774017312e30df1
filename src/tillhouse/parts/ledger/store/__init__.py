"""All SQL of the ledger: `writing` calls the functions of migration 0002, `reading` and `auditing` only select."""
