"""Reconciliation: providers' reports, our books and our bank's statements are held against each other, line by line."""
