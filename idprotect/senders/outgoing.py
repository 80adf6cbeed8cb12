"""Requests to addresses that somebody else chose: public ones only, over TLS, without redirects, for seconds.

A name is looked up once and the connection made to the very address that was looked at, so that no second answer of
a name server leads into our own network (SSRF).
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from idprotect.senders import Attempt, SendError, within

PATIENCE = 5.0
#: Of a document that is fetched.
MAX_BYTES = 65536


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a request may go beside public addresses.

    :param this_machine: to loopback addresses, and by http there: for development.
    :param networks: to these as well.
    """

    this_machine: bool = False
    networks: Sequence[Network] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; of a header that came twice, all values stand here, joined by commas."""

    status: int
    content: bytes
    headers: Mapping[str, str]

    def header(self, name: str) -> str:
        """Return a header by its name in small letters; empty when it did not come."""
        return self.headers.get(name, "")


PUBLIC = Reach()
#: All that was ever given out to the public internet of version 6 (RFC 4291 section 2.4).
_UNICAST = ipaddress.ip_network("2000::/3")


def post_form(url: str, form: Mapping[str, str], reach: Reach = PUBLIC) -> int:
    """Post a form, as :func:`post` does."""
    return post(url, {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form), reach)


def post(url: str, headers: Mapping[str, str], body: str, reach: Reach = PUBLIC) -> int:
    """Post something and return the status of the answer, whose content is not read.

    :raises SendError: nothing was sent, or there was no answer in time.
    """
    return _ask(_Request("POST", url, headers, body.encode()), reach).status


def get(url: str, *, accept: str, reach: Reach = PUBLIC) -> bytes:
    """Return a document of at most ``MAX_BYTES``.

    :param accept: its media type.
    :raises SendError: there is none, or not in time.
    """
    return get_described(url, accept=accept, reach=reach).content


def get_described(url: str, *, accept: str, reach: Reach = PUBLIC, most: int = MAX_BYTES) -> Answer:
    """Return a document with the headers that describe it.

    :param accept: its media type.
    :param most: bytes that it may have.
    :raises SendError: there is none, or not in time.
    """
    answer = _ask(_Request("GET", url, {"Accept": accept}), reach, most)
    if answer.status != HTTPStatus.OK:
        raise SendError(f"the answer was {answer.status}")
    if len(answer.content) > most:
        raise SendError("the answer is too long")
    return answer


def call(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: str = "",
    *,
    most: int = MAX_BYTES,
    reach: Reach = PUBLIC,
) -> Answer:
    """Return the answer to any request, whatever its status.

    :param most: bytes that the content may have.
    :raises SendError: there is no answer in time, or it is longer.
    """
    answer = _ask(_Request(method, url, headers, body.encode() if body else None), reach, most)
    if len(answer.content) > most:
        raise SendError("the answer is too long")
    return answer


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


def _ask(request: _Request, reach: Reach, most: int = 0) -> Answer:
    """Return an answer with as much of its content as is wanted, and one byte more."""
    answers: list[Answer] = []
    within(PATIENCE, lambda attempt: answers.append(_exchange(request, reach, most, attempt)))
    return answers[0]


def _exchange(request: _Request, reach: Reach, most: int, attempt: Attempt) -> Answer:
    parts = urlsplit(request.url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    if not is_tls and not (reach.this_machine and parts.scheme == "http"):
        raise SendError("the address is not https")
    port = parts.port or (443 if is_tls else 80)
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    connection.sock = _connect(host, port, reach, need_loopback=not is_tls)
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
            return Answer(response.status, response.read(most + 1) if most else b"", _headers(response))
    finally:
        connection.close()


def _headers(response: http.client.HTTPResponse) -> Mapping[str, str]:
    names = {name.lower() for name in response.headers}
    return {name: ", ".join(map(str, response.headers.get_all(name, ()))) for name in names}


def _connect(host: str, port: int, reach: Reach, *, need_loopback: bool) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise SendError("the name was not found") from None
    addresses = [str(address[0]) for *_, address in found]
    for address in addresses:
        if not _is_allowed(address, reach, need_loopback):
            raise SendError("the address is not public")
    return socket.create_connection((addresses[0], port), timeout=PATIENCE)


def _is_allowed(text: str, reach: Reach, need_loopback: bool) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        # Addresses in which another one is wrapped are as public as that.
        inner = address.ipv4_mapped or address.sixtofour or _translated(address)
        address = inner or address
    if address.is_loopback:
        return reach.this_machine
    if any(address in network for network in reach.networks):
        return not need_loopback
    # Elsewhere are translators into networks of our own, and what was meant for sites.
    is_given_out = address.version == 4 or address in _UNICAST
    return address.is_global and is_given_out and not address.is_multicast and not need_loopback


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address behind a translator (RFC 6052 section 2.1)."""
    if address not in ipaddress.ip_network("64:ff9b::/96"):
        return None
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
