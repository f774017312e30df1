"""`till ledger`: reports, exports and opening balances."""

from tillhouse.apps.modules_cli import module_command
from tillhouse.parts.ledger.manifest import MODULE

command = module_command("ledger", MODULE.cli)
