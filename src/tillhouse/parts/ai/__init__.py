"""Models that read, listen, answer and draw, metered."""
