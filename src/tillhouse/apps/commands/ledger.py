"""`till ledger`: reports, exports, opening balances, closed periods, the heads of the sealed chain."""

from tillhouse.apps.modules_cli import module_command
from tillhouse.parts.ledger.manifest import MODULE

command = module_command("ledger", MODULE.cli)
