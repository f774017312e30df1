"""What of the ledger spans several transactions: grouped posts, and sealing."""
