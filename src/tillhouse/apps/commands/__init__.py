"""The commands of `till`, one module each; `command` is what `apps/cli.py` runs."""
