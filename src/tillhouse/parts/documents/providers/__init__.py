"""What prints: one folder per engine."""
