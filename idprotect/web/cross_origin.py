"""Which scripts of other origins may read what the endpoints answer (the CORS protocol of the Fetch standard).

A single-page application redeems its code from the page that the browser came back to. Its origin is that of a redirect
URI which is registered for a public client; nobody else's script reads an answer. No cookie ever counts here, so
``Access-Control-Allow-Credentials`` is never said.
"""

import re
from http import HTTPStatus

from flask import Response, request
from sqlalchemy import String, bindparam, cast, select

from idprotect.models import Client, run, table_of

#: Applications call these themselves; pages and what only confidential clients use answer no other origin.
ENDPOINTS = frozenset({"token", "push", "revoke", "userinfo"})
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP",
    "Access-Control-Max-Age": "600",
}
#: What a script may read beside the body (RFC 6750 section 3, RFC 9449 section 8.2).
_EXPOSED = "WWW-Authenticate, Retry-After"
#: An origin as browsers write it (RFC 6454 section 6.2); there is nothing in it that LIKE would understand but "_".
_ORIGIN = re.compile(r"https?://[a-z0-9.\-]{1,253}(:[0-9]{1,5})?|http://\[::1\](:[0-9]{1,5})?")
_table = table_of(Client)
_OF_PUBLIC = select(_table.c.redirect_uris).where(
    _table.c.enabled,
    _table.c.token_endpoint_auth_method == "none",  # noqa: S105 (no secret)
    cast(_table.c.redirect_uris, String).contains(bindparam("origin")),
)


def allow(response: Response) -> Response:
    """Let the script that asked read the answer, if it is an application's own."""
    endpoint = (request.endpoint or "").rpartition(".")[2]
    if endpoint not in ENDPOINTS:
        return response
    response.vary.add("Origin")
    origin = request.headers.get("Origin", "")
    # Who is turned away because something is broken must not run into it again.
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or not is_public_application(origin):
        return response
    response.headers["Access-Control-Allow-Origin"] = origin
    if request.method == "OPTIONS":
        response.headers.update(_PREFLIGHT)
    else:
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
    return response


def is_public_application(origin: str) -> bool:
    """Whether an enabled public client has a redirect URI of this very origin."""
    if not _ORIGIN.fullmatch(origin):
        return False
    registered = (uri for row in run(_OF_PUBLIC, origin=origin) for uri in row.redirect_uris)
    return any(uri == origin or uri.startswith((f"{origin}/", f"{origin}?")) for uri in registered)
