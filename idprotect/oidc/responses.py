"""Authorization responses: parameters added to a redirect URI, which itself stays as it was registered."""

from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from idprotect.runtime import settings


def location(redirect_uri: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Return where the browser goes: the redirect URI to the byte (RFC 6749 section 3.1.2), and who answers (RFC 9207).

    Authlib would read the registered query and write it anew, in other words.
    """
    return with_query(redirect_uri, [*parameters, ("iss", settings().issuer)])


def with_query(uri: str, parameters: Sequence[tuple[str, str]]) -> str:
    """Return a URI, as it was registered, with more parameters."""
    if not parameters:
        return uri
    separator = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
    return uri + separator + urlencode(parameters)
