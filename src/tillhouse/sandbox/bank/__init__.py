"""The house's bank: statements of its account as banks hand them out."""
