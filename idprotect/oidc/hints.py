"""ID tokens that come back to us as hints: of whom somebody speaks, long after they expired."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idprotect.runtime import runtime, settings


def read(value: str) -> dict[str, Any]:
    """Return the claims of an ID token that we signed, whenever that was (OIDC Core section 3.1.2.1).

    :raises InvalidRequestError: for anything else, our own tokens of another kind too.
    """
    published: Any = runtime().keys.public_jwks()
    try:
        token = jwt.decode(value, KeySet.import_key_set(published), [key["alg"] for key in published["keys"]])
    except (JoseError, ValueError, TypeError, RecursionError):
        raise _refused() from None
    if token.header.get("typ", "JWT") != "JWT" or token.claims.get("iss") != settings().issuer:
        raise _refused()
    return dict(token.claims)


def _refused() -> InvalidRequestError:
    return InvalidRequestError("The id_token_hint is not an ID token of this server.")
