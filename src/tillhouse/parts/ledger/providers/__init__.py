"""Where heads of the sealed chain are kept."""
