"""The browser at the other end: its address, its cookies, what it says it is. The only module that names cookies.

Everything here is a claim of the client. Claims can raise risk; only what the server itself once gave out, an
unguessable cookie, can make a browser familiar.
"""

import secrets
from dataclasses import dataclass

from flask import Response, after_this_request, g, request

from idprotect import client_address, user_agents
from idprotect.keys import sha256
from idprotect.runtime import runtime, settings

SESSION, BROWSER, DEVICE = "idprotect-session", "idprotect-browser", "idprotect-device"
TOKEN_LENGTH = 43  # 256 bits in base64url
RANDOM_LENGTH = 22  # 128 bits, before a seal
DEVICE_LIFETIME = 400 * 86400  # the longest a browser keeps a cookie
LONGEST_USER_AGENT = 512
LONGEST_HINT = 64


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is known of the browser before anybody signed in.

    :param ip_address: canonical, None when it cannot be told; never a guess.
    :param is_direct: nothing speaks for a proxy in between.
    :param device_token: value of the device cookie.
    :param platform_version, model: client hints (``Sec-CH-UA-…``); None when not sent.
    """

    ip_address: str | None
    user_agent: str
    device_name: str
    platform: str | None
    device_token: str | None
    platform_version: str | None = None
    model: str | None = None
    is_direct: bool = False

    @property
    def device_hash(self) -> str | None:
        """The form in which the device cookie is stored."""
        return sha256(self.device_token) if self.device_token else None


def visitor() -> Visitor:
    """Return who is calling."""
    user_agent = printable(request.user_agent.string)[:LONGEST_USER_AGENT]
    name, platform = _describe(user_agent)
    return Visitor(
        ip_address(),
        user_agent,
        name,
        platform,
        read_cookie(DEVICE),
        _hint("Platform-Version"),
        _hint("Model"),
        is_direct(),
    )


def ip_address() -> str | None:
    """Return the client's address: the peer's, or the right-most hop that is no proxy of ours when the peer is one."""
    return client_address.of(*_whence(), settings().trusted_proxies)


def is_direct() -> bool:
    """Whether nothing speaks for a proxy in between."""
    return client_address.is_plain(_whence()[0], _forwarding_headers(), settings().trusted_proxies)


def trail() -> client_address.Trail:
    """Return how the client's address was found, hop by hop."""
    return client_address.follow(*_whence(), _forwarding_headers(), settings().trusted_proxies)


def _whence() -> tuple[str, str | None]:
    return request.remote_addr or "", request.headers.get(client_address.FORWARDED_FOR)


def _forwarding_headers() -> list[str]:
    return [name for name in client_address.HEADERS if name in request.headers]


def printable(text: str) -> str:
    """Return text that every database stores and every terminal shows: no control characters, valid Unicode."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def binding() -> str | None:
    """Return the hash of this browser's secret, to which pending authorizations and forms are bound."""
    token: str | None = g.get("idprotect_browser") or read_cookie(BROWSER)
    return sha256(token) if token and _is_sealed(token) else None


def ensure_binding() -> str:
    """Return the hash of this browser's secret, giving it one first when it has none."""
    if (bound := binding()) is None:
        g.idprotect_browser = _sealed(secrets.token_urlsafe(16))
        set_cookie(BROWSER, g.idprotect_browser)
        bound = sha256(g.idprotect_browser)
    return bound


def new_token() -> str:
    """Return an unguessable cookie value."""
    return secrets.token_urlsafe(32)


def _sealed(random: str) -> str:
    """Return a cookie's value that nobody else can make: there is no row by which to tell ours from a planted one."""
    seal = runtime().keys.keyed_hash("browser", random)
    return random + seal[: TOKEN_LENGTH - len(random)]


def _is_sealed(token: str) -> bool:
    return secrets.compare_digest(_sealed(token[:RANDOM_LENGTH]).encode(), token.encode())


def read_cookie(name: str) -> str | None:
    """Return a cookie's value; None when it is not of our form, or ambiguous because it came twice."""
    values = request.cookies.getlist(_full_name(name))
    if len(values) != 1 or len(values[0]) != TOKEN_LENGTH:
        return None
    return values[0]


def set_cookie(name: str, value: str, max_age: int | None = None) -> None:
    """Send a cookie with the answer to this request; an empty value deletes it."""

    @after_this_request
    def send(response: Response) -> Response:
        response.set_cookie(
            _full_name(name),
            value,
            max_age=max_age if value else 0,
            path="/",
            secure=settings().is_https,
            httponly=True,
            samesite="Lax",  # Strict would lose the sign-in when a relying party sends the browser here
        )
        return response


def _full_name(name: str) -> str:
    # Over http (development on localhost) a browser would not store a __Host- cookie.
    return f"__Host-{name}" if settings().is_https else name


def ask_for_hints(response: Response) -> None:
    """Ask the browser to say more of its machine with the next requests (User-Agent Client Hints)."""
    response.headers["Accept-CH"] = ", ".join(f"Sec-CH-UA-{name}" for name in ("Platform-Version", "Model"))


def _hint(name: str) -> str | None:
    """Return a client hint, a quoted string (RFC 8941), without its quotes; None when it was not sent."""
    value = request.headers.get(f"Sec-CH-UA-{name}")
    return printable(value.strip().strip('"'))[:LONGEST_HINT] if value is not None else None


def _describe(user_agent: str) -> tuple[str, str | None]:
    """Return "Firefox on Windows" and the platform's name."""
    claimed = user_agents.read(user_agent)
    platform = user_agents.platform(claimed)
    if claimed.family and claimed.system:
        return f"{claimed.family} on {claimed.system}".replace("Mac OS X", "macOS"), platform
    return claimed.family or claimed.system, platform
