"""People, machines, and how they prove who they are."""
