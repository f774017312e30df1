"""Names of hosts, as this machine resolves them."""

import asyncio
import socket
from collections.abc import Sequence


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host. Raises `OSError` for a name that has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError("not a name") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
