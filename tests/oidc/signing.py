"""What an application signs: its keys, and tokens that are right until a test changes one thing."""

import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.registry import HeaderParameter

if TYPE_CHECKING:
    from tests.oidc.server import Application

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Key = ECKey | OKPKey | RSAKey
#: Made once: one key of an application, and one of somebody else, with the same id.
KEY = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
STRANGER = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
LEFT_OUT = object()


def public(*keys: Key) -> dict[str, Any]:
    """Return the key set that an application registers."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def sign(
    claims: Mapping[str, Any],
    key: Key = KEY,
    alg: str = "ES256",
    **header: Any,
) -> str:
    """Sign claims; those that are LEFT_OUT are."""
    protected = {"alg": alg, "kid": key.kid, **header}
    return jwt.encode(
        {name: value for name, value in protected.items() if value is not LEFT_OUT},
        {name: value for name, value in claims.items() if value is not LEFT_OUT},
        key,
        registry=JWSRegistry({"exp": HeaderParameter("", "int")}, [alg], strict_check_header=False),
    )


def assertion_claims(application: "Application", **changes: Any) -> dict[str, Any]:
    """Return what an assertion of an application says, changed."""
    now = int(time.time())
    return {
        "iss": application.id,
        "sub": application.id,
        "aud": "https://id.example",
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_hex(8),
        **changes,
    }


def assertion(application: "Application", **changes: Any) -> dict[str, str]:
    """Return the form by which an application authenticates (RFC 7523 section 2.2)."""
    return presented(sign(assertion_claims(application, **changes)))


def request_object(application: "Application", *, key: Key = KEY, alg: str = "ES256", **changes: Any) -> str:
    """Return a good authorization request as an application signs it, changed (RFC 9101 section 4)."""
    now = int(time.time())
    claims = {"iss": application.id, "aud": "https://id.example", "iat": now, "exp": now + 300}
    header = {"typ": "oauth-authz-req+jwt", **changes.pop("header", {})}
    return sign({**claims, **application.request(), **changes}, key, alg, **header)


def presented(value: str) -> dict[str, str]:
    """Return the form that has an assertion."""
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": value}
