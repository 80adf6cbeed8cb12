"""Redirect URIs: which are safe to register, and whether one that comes is registered (RFC 9700 section 2.1)."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

DANGEROUS_SCHEMES = frozenset({"javascript", "data", "vbscript", "file", "about", "blob", "http"})
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
#: Such a host also stands in our content security policy, where ; and ' would mean something.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")
_LOOPBACK_IP = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?((?:[/?].*)?)")


def problem(uri: str, *, native: bool) -> str | None:
    """Return why a redirect URI is refused, None when it is fine (RFC 8252 section 7)."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname
        _ = (parts.port, (host or "").encode("idna"))
    except ValueError:
        return f"{uri!r} is not a URL"
    if not uri.isascii() or not uri.isprintable() or any(c in uri for c in '"\\ <>^`{|}*'):
        return f"{uri!r} has characters that a URI does not have"
    if parts.fragment or uri.endswith("#"):
        return f"{uri!r} has a fragment"
    if parts.username is not None or parts.password is not None:
        return f"{uri!r} has a user name or password"
    if "//" in uri[: len(parts.scheme) + 3] and not _HOST.fullmatch(parts.netloc):
        return f"{uri!r} has no proper host"
    if parts.scheme == "https":
        return None if host else f"{uri!r} has no host"
    if parts.scheme == "http" and host in LOOPBACK:
        return None
    if parts.scheme in DANGEROUS_SCHEMES or not parts.scheme:
        return f"{uri!r} must be https (http only on this machine)"
    if not native:
        return f"{uri!r}: only a native application may have a scheme of its own"
    return (
        None
        if "." in parts.scheme
        else f"{uri!r}: a scheme of one's own is a reversed domain name with a dot"
    )


def sector(sector_identifier_uri: str | None, uris: Sequence[str]) -> str | None:
    """Return the sector that pairwise subjects are for: one host, or None (OIDC Core section 8.1).

    A host of this machine is everybody's, and a scheme of one's own has none.
    """
    hosts = {_https_host(uri) for uri in ([sector_identifier_uri] if sector_identifier_uri else uris)}
    return hosts.pop() if len(hosts) == 1 else None


def _https_host(uri: str) -> str | None:
    parts = urlsplit(uri)
    return parts.hostname if parts.scheme == "https" else None


def is_registered(uri: str, registered: Sequence[str], *, native: bool) -> bool:
    """Compare byte by byte; only a native client's port on the loopback address may vary (RFC 8252 section 7.3)."""
    if uri in registered:
        return True
    without_port = _without_loopback_port(uri) if native else None
    return without_port is not None and without_port in map(_without_loopback_port, registered)


def _without_loopback_port(uri: str) -> str | None:
    match = _LOOPBACK_IP.fullmatch(uri)
    return match[1] + match[2] if match else None
