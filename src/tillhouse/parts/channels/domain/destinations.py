"""Where a webhook may go: never into our own network, however the address is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.text import N_

LONGEST_URL = 2000

_INTERNAL = ("localhost", "local", "internal", "intranet", "lan", "home.arpa", "test", "invalid", "onion")
_NAT64 = ip_network("64:ff9b::/96")
_UNICAST = ip_network("2000::/3")  # all that is given out of IPv6; beyond it lie sites of old, and ways into IPv4
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Rules:
    """What this house allows. Not `guarded`: anything goes, as on a laptop. `networks` are private and allowed."""

    guarded: bool
    networks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Destination:
    """The part of a URL that decides where the bytes go."""

    host: str
    port: int


def destination_of(url: str, rules: Rules) -> Destination:
    """Where `url` leads, as far as it can be told without asking for the name. Raises `InvalidInput` (`/url`)."""
    try:
        parts = urlsplit(url)
        host, port = (
            (parts.hostname or "").rstrip("."),
            _PORTS.get(parts.scheme, 0) if parts.port is None else parts.port,
        )
    except ValueError:
        raise _refused("bad_url", _BAD) from None
    if not host or not port or parts.fragment or len(url) > LONGEST_URL or not _is_plain(url):
        raise _refused("bad_url", _BAD)
    if parts.username is not None or parts.password is not None:
        raise _refused("credentials_in_url", N_("Leave name and password out: the signature says who sends."))
    if rules.guarded and parts.scheme != "https":
        raise _refused("not_https", N_("Use an address that begins with https://."))
    if rules.guarded and not _may_be_public(host, rules):
        raise _refused("private_address", N_("This address is not on the public internet. Webhooks go nowhere else."))
    return Destination(host, port)


def allowed(address: str, rules: Rules) -> bool:
    """Whether bytes may be sent to this IP address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if not rules.guarded or any(found in ip_network(network, strict=False) for network in rules.networks):
        return True
    if isinstance(found, IPv6Address) and found not in _UNICAST and found not in _NAT64:
        return False
    return found.is_global and not found.is_multicast and all(_is_public(inner) for inner in _inside(found))


_BAD = N_("Write a whole address, for example https://example.com/webhooks.")


def _may_be_public(host: str, rules: Rules) -> bool:
    try:
        return allowed(str(ip_address(host)), rules)
    except ValueError:
        pass
    labels = host.lower().split(".")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        return False  # 127.1 and 0x7f.1 are addresses to a resolver, written so that nobody notices
    if rules.networks:
        return host.lower() != "localhost"  # a name may lead to one of them: where it does is seen when it is asked for
    return len(labels) > 1 and not any(host.lower() == name or host.lower().endswith(f".{name}") for name in _INTERNAL)


def _inside(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """IPv4 addresses that an IPv6 one carries, and that a gateway on the way may unpack."""
    if isinstance(address, IPv4Address):
        return []
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        carried.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [found for found in carried if found]


def _is_public(address: IPv4Address) -> bool:
    return address.is_global and not address.is_multicast


def _is_plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and not any(sign in url for sign in ' \\"<>^`{|}')


def _refused(code: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[FieldError("/url", code, message)])
