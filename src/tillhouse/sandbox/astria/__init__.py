"""Astria as its API behaves: tunes, prompts, packs, pictures derived from the photos, callbacks without signature."""
