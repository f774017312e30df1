"""OpenAI's API, as every compatible endpoint speaks it."""
