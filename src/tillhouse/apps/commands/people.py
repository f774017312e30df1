"""`till people`: administrators and API keys."""

from tillhouse.apps.modules_cli import module_command
from tillhouse.parts.identity.manifest import MODULE

command = module_command("people", MODULE.cli)
