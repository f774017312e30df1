"""The tables of ai, a file per group; every row class is imported here."""
