"""The door of ai: a file per use. What is here is what other modules may call."""
