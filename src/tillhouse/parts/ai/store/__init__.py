"""All SQL of ai, a file per table group."""
