"""Moving bytes: between transactions, never inside one."""
