"""Requests to addresses that somebody else chose: public ones only, over TLS, without redirects, for seconds.

A name is looked up once and the connection made to the very address that was looked at, so that no second answer of
a name server leads into our own network (SSRF).
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from idprotect.senders import Attempt, SendError, within

PATIENCE = 5.0
#: Of a document that is fetched.
MAX_BYTES = 65536


def post_form(url: str, form: Mapping[str, str], *, this_machine: bool = False) -> int:
    """Post a form and return the status of the answer, whose content is not read.

    :param this_machine: loopback addresses are fine, too, and http there: for development.
    :raises SendError: nothing was sent, or there was no answer in time.
    """
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return _ask(_Request("POST", url, headers, urlencode(form)), this_machine)[0]


def get(url: str, *, accept: str, this_machine: bool = False) -> bytes:
    """Return a document of at most ``MAX_BYTES``.

    :param accept: its media type.
    :raises SendError: there is none, or not in time.
    """
    status, content = _ask(_Request("GET", url, {"Accept": accept}), this_machine, MAX_BYTES)
    if status != HTTPStatus.OK:
        raise SendError(f"the answer was {status}")
    if len(content) > MAX_BYTES:
        raise SendError("the answer is too long")
    return content


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: str | None = None


def _ask(request: _Request, this_machine: bool, most: int = 0) -> tuple[int, bytes]:
    """Return the status of an answer, and as much of its content as is wanted, and one byte more."""
    answers: list[tuple[int, bytes]] = []
    within(PATIENCE, lambda attempt: answers.append(_exchange(request, this_machine, most, attempt)))
    return answers[0]


def _exchange(request: _Request, this_machine: bool, most: int, attempt: Attempt) -> tuple[int, bytes]:
    parts = urlsplit(request.url)
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
        headers = {"Host": parts.netloc, "User-Agent": "idprotect", "Connection": "close"}
        connection.request(request.method, target, request.body, {**headers, **request.headers})
        with connection.getresponse() as response:
            return response.status, response.read(most + 1) if most else b""
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
