"""`till ledger`. The context's object is a function that builds a house; `apps/commands/ledger.py` puts it there."""

from tillhouse.parts.ledger.cli import closing
from tillhouse.parts.ledger.cli.books import command

for _one in (closing.close_period, closing.anchor, closing.export_anchors):
    command.add_command(_one)

__all__ = ["command"]
