"""Authorization responses: added to a redirect URI, which itself stays as it was registered, or posted to it."""

from collections.abc import Iterable, Sequence
from urllib.parse import urlencode, urlsplit

from flask import redirect
from werkzeug.wrappers import Response

from idprotect.pages import allow_form_to_uri, render
from idprotect.runtime import settings

#: How an answer can be given (Multiple Response Types 1.0 section 2.1, Form Post Response Mode).
MODES = ("query", "form_post")


def answer(redirect_uri: str, parameters: Iterable[tuple[str, str]], mode: str) -> Response:
    """Send the browser back with an answer, and with who gives it (RFC 9207)."""
    parameters = [*parameters, ("iss", settings().issuer)]
    if mode != "form_post":
        # To the byte (RFC 6749 section 3.1.2): Authlib would read the registered query and write it anew.
        return redirect(with_query(redirect_uri, parameters), 303)
    allow_form_to_uri(redirect_uri)
    parts = urlsplit(redirect_uri)
    return render(
        "form_post.html",
        action=redirect_uri,
        parameters=parameters,
        client_name=parts.hostname or parts.scheme,
    )


def with_query(uri: str, parameters: Sequence[tuple[str, str]]) -> str:
    """Return a URI, as it was registered, with more parameters."""
    if not parameters:
        return uri
    separator = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
    return uri + separator + urlencode(parameters)
