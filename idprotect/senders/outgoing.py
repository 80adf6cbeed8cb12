"""Requests to addresses that somebody else chose: public ones only, over TLS, without redirects, for seconds.

A name is looked up once and the connection made to the very address that was looked at, so that no second answer of
a name server leads into our own network (SSRF).
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from idprotect.senders import Attempt, SendError, within

PATIENCE = 5.0


def post_form(url: str, form: Mapping[str, str], *, this_machine: bool = False) -> int:
    """Post a form and return the status of the answer, whose content is not read.

    :param this_machine: loopback addresses are fine, too, and http there: for development.
    :raises SendError: nothing was sent, or there was no answer in time.
    """
    statuses: list[int] = []
    within(PATIENCE, lambda attempt: statuses.append(_post(url, urlencode(form), this_machine, attempt)))
    return statuses[0]


def _post(url: str, body: str, this_machine: bool, attempt: Attempt) -> int:
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    if not is_tls and not (this_machine and parts.scheme == "http"):
        raise SendError("the address is not https")
    port = parts.port or (443 if is_tls else 80)
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    connection.sock = _connect(host, port, this_machine, need_loopback=not is_tls)
    try:
        attempt.uses(connection.sock)
        if is_tls:
            tls = ssl.create_default_context()
            connection.sock = tls.wrap_socket(connection.sock, server_hostname=host)
            attempt.uses(connection.sock)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Host": parts.netloc,
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": "idprotect",
            "Connection": "close",
        }
        connection.request("POST", target, body, headers)
        with connection.getresponse() as response:
            return response.status
    finally:
        connection.close()


def _connect(host: str, port: int, this_machine: bool, *, need_loopback: bool) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise SendError("the name was not found") from None
    addresses = [str(address[0]) for *_, address in found]
    for address in addresses:
        if not _is_allowed(address, this_machine, need_loopback):
            raise SendError("the address is not public")
    return socket.create_connection((addresses[0], port), timeout=PATIENCE)


def _is_allowed(text: str, this_machine: bool, need_loopback: bool) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        # Addresses in which another one is wrapped are as public as that.
        inner = address.ipv4_mapped or address.sixtofour or _translated(address)
        address = inner or address
    if address.is_loopback:
        return this_machine
    return address.is_global and not address.is_multicast and not need_loopback


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address behind a translator (RFC 6052 section 2.1)."""
    if address not in ipaddress.ip_network("64:ff9b::/96"):
        return None
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
