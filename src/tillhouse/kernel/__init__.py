"""The ground floor: what every module stands on. No business word in it."""
