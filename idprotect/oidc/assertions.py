"""Clients that authenticate by signing (``private_key_jwt``: OIDC Core section 9, RFC 7523 section 3).

Authlib's own check knows three algorithms and no key by its id, and tells which clients there are.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from idprotect import clock
from idprotect.models import ClientRules
from idprotect.oidc import client_jwts, used_jwts
from idprotect.oidc.client_jwts import LEEWAY, NotVerified, Rules
from idprotect.oidc.requests import ProtocolRequest
from idprotect.runtime import settings

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Found = TypeVar("Found", bound=ClientRules)
#: Seconds that may be left of an assertion: what counts once has to be remembered for as long.
LONGEST = 3600
#: What the header may say of it; nothing else that a client signs passes for one.
TYPES = frozenset({None, "JWT", "client-authentication+jwt"})


def authenticate(request: ProtocolRequest, find: Callable[[str], Found | None]) -> Found | None:
    """Return the client that signed the request's assertion, which is used up; None for whoever did not. Commits."""
    assertion = request.form.get("client_assertion", "")
    if request.form.get("client_assertion_type") != TYPE:
        return None
    try:
        client_id = client_jwts.claims_of(assertion).get("sub")
        client = find(client_id) if isinstance(client_id, str) else None
        if client is None or request.form.get("client_id", client_id) != client_id:
            return None
        claims = client_jwts.verify(client, assertion, _rules(client, request))
    except NotVerified:
        return None
    seconds = int(claims["exp"] - clock.now().timestamp()) + 2 * LEEWAY
    is_first = used_jwts.use("assertion", client.id, claims["jti"], clock.now() + timedelta(seconds=seconds))
    return client if is_first else None


def _rules(client: ClientRules, request: ProtocolRequest) -> Rules:
    """Return what an assertion has to say: it is for us, at this endpoint or any (RFC 9126 section 2)."""
    issuer = settings().issuer
    return Rules(
        types=TYPES,
        algorithm=client.token_endpoint_auth_signing_alg,
        audiences={issuer, f"{issuer}/token", request.uri},
        claims={"iss": client.id, "sub": client.id, "jti": None},
        longest=LONGEST,
    )
