"""Use cases of channels that span several transactions and the network."""
