"""Proof that whoever presents a token holds the key that it was issued to (DPoP, RFC 9449)."""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2 import OAuth2Error
from joserfc import jws, jwt
from joserfc.errors import JoseError

from idprotect import clock, key_sets
from idprotect.oidc import used_jwts
from idprotect.oidc.client_jwts import LEEWAY, Registry
from idprotect.runtime import settings

#: Seconds after which a proof is too old; for as long it counts once.
LIFETIME = 120
LONGEST = 8192


class InvalidDpopProof(OAuth2Error):  # type: ignore[misc]
    """There is no proof where one is needed, or not a good one (section 5)."""

    error = "invalid_dpop_proof"


def check(headers: Sequence[str], method: str, path: str, access_token: str | None = None) -> str:
    """Return the thumbprint (RFC 7638) of the key of a request's proof, which is used up. Commits.

    :param headers: every ``DPoP`` header that came.
    :param path: of the endpoint, under the issuer.
    :param access_token: that comes with it; the proof has to be about it.
    :raises InvalidDpopProof: for anything that section 4.3 does not accept.
    """
    if len(headers) != 1 or len(headers[0]) > LONGEST:
        raise InvalidDpopProof("There has to be one proof.")
    try:
        return _check(headers[0], method, settings().issuer + path, access_token)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
        raise InvalidDpopProof("The proof cannot be used.") from None


def is_thumbprint(value: str | None) -> bool:
    """Whether a code may be bound to this (section 10); None: to nothing."""
    return value is None or re.fullmatch(r"[\w-]{43}", value, re.ASCII) is not None


def _check(proof: str, method: str, url: str, access_token: str | None) -> str:
    registry = Registry()
    header = jws.extract_compact(proof.encode(), registry=registry).headers()
    if header.get("typ") != "dpop+jwt":
        raise ValueError("typ")
    # The one place where a key in a header is used: it proves nothing but that its holder is the same as before.
    keys = key_sets.load({"keys": [{**header["jwk"], "kid": "", "use": "sig"}]})
    key = keys.keys[0]
    claims = jwt.decode(proof, key, registry=registry).claims
    now = int(clock.now().timestamp())
    wanted: dict[str, Any] = {"htm": {"essential": True, "value": method}}
    for name in ("htu", "jti", "iat"):
        wanted[name] = {"essential": True}
    jwt.JWTClaimsRegistry(now, LEEWAY, **wanted).validate(claims)
    if not _is_same_url(claims["htu"], url) or not now - LIFETIME <= claims["iat"]:
        raise ValueError("htu or iat")
    if access_token is not None and not hmac.compare_digest(_ath(access_token), str(claims["ath"])):
        raise ValueError("ath")
    thumbprint = str(key.thumbprint())
    remembered = clock.now() + timedelta(seconds=LIFETIME + 2 * LEEWAY)
    if not used_jwts.use("dpop", thumbprint, claims["jti"], remembered):
        raise ValueError("jti")
    return thumbprint


def _is_same_url(given: object, url: str) -> bool:
    """Compare without query and fragment, and the host in any case (section 4.3)."""
    if not isinstance(given, str):
        return False
    one, other = urlsplit(given), urlsplit(url)
    return (one.scheme.lower(), one.netloc.lower(), one.path) == (
        other.scheme,
        other.netloc.lower(),
        other.path,
    )


def _ath(access_token: str) -> str:
    return urlsafe_b64encode(sha256(access_token.encode()).digest()).decode().rstrip("=")
