"""What we sign: every token of ours is of a kind, which its header names, so that none passes for another."""

from collections.abc import Mapping
from typing import Any

from joserfc import jwt

from idprotect.runtime import runtime


def sign(claims: Mapping[str, Any], typ: str | None = None, algorithm: str | None = None) -> str:
    """Return a JWT, signed with the newest key.

    :param typ: its kind (RFC 8725 section 3.11); None for an ID token, which has none.
    :param algorithm: that its reader is registered for; None: as the server is set.
    """
    key = runtime().keys.signing_key(algorithm)
    header = {"alg": key.alg, "kid": key.kid, **({"typ": typ} if typ else {})}
    return jwt.encode(header, dict(claims), key, [str(key.alg)])
