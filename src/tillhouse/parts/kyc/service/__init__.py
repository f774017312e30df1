"""Use cases of kyc inside one transaction."""
