"""What we sign: every token of ours is of a kind, which its header names, so that none passes for another."""

from collections.abc import Mapping
from typing import Any

from joserfc import jwt

from idprotect.runtime import runtime


def sign(claims: Mapping[str, Any], typ: str | None = None) -> str:
    """Return a JWT, signed with the newest key.

    :param typ: its kind (RFC 8725 section 3.11); None for an ID token, which has none.
    """
    keys = runtime().keys
    key, algorithm = keys.signing_key(), keys.algorithm
    header = {"alg": algorithm, "kid": key.kid, **({"typ": typ} if typ else {})}
    return jwt.encode(header, dict(claims), key, [algorithm])
