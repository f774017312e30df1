"""`till payments`: providers' events, reconciliation with providers and the bank."""

from tillhouse.apps.modules_cli import module_command
from tillhouse.parts.payments.manifest import MODULE

command = module_command("payments", MODULE.cli)
