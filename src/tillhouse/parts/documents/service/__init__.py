"""Printing of papers and drawing of codes. Nothing here writes to the database."""
