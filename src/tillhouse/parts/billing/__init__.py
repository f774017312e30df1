"""Plans, points, subscriptions and metered work."""
