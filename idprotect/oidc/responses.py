"""Authorization responses: parameters added to a redirect URI, which itself stays as it was registered."""

from collections.abc import Iterable
from urllib.parse import urlencode

from idprotect.runtime import settings


def location(redirect_uri: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Return where the browser goes: the redirect URI to the byte (RFC 6749 section 3.1.2), and who answers (RFC 9207).

    Authlib would read the registered query and write it anew, in other words.
    """
    separator = "" if redirect_uri.endswith(("?", "&")) else "&" if "?" in redirect_uri else "?"
    return redirect_uri + separator + urlencode([*parameters, ("iss", settings().issuer)])
