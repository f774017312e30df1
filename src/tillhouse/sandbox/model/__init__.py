"""The model behind the AI providers that are played: it knows nothing, and takes every word from what it is given."""
