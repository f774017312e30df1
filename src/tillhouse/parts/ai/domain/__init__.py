"""Pure rules of ai, a file per subject."""
