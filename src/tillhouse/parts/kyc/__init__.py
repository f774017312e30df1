"""Who a person is, and how we know."""
