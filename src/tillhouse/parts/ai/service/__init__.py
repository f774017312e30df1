"""Use cases of ai inside one transaction, a file per use."""
