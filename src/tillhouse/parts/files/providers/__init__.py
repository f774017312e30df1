"""Places for bytes, one folder each."""
