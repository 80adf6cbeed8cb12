"""What clients sign: verified with their registered keys and our algorithms, whatever a header may say."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError, UnsupportedHeaderError

from idprotect import clock
from idprotect.keys import ALGORITHMS
from idprotect.models import ClientRules
from idprotect.oidc import client_keys
from idprotect.oidc.client_keys import KeysUnknown
from idprotect.runtime import settings

#: Between our clock and a client's, in seconds.
LEEWAY = 10
#: What hostile input makes the library raise.
_BAD = (JoseError, ValueError, TypeError, KeyError, RecursionError)


class Registry(jws.JWSRegistry):
    """How headers from outside are read: what we do not know is ignored, unless it says that it must not be."""

    max_header_length = 4096
    max_payload_length = 16384

    def __init__(self, algorithms: Collection[str] = ALGORITHMS) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)

    def check_header(self, header: dict[str, Any]) -> None:
        """Refuse what is critical: there is nothing beyond RFC 7515 that we would understand (section 4.1.11)."""
        if "crit" in header or "b64" in header:
            raise UnsupportedHeaderError("crit")
        super().check_header(header)


class NotVerified(Exception):
    """It is not a token of this client; why is said to nobody, or to a developer."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a kind of token has to be like.

    :param types: of its header; None stands for none at all.
    :param algorithm: the only one that will do; None: any of ours.
    :param audiences: of which it has to name one.
    :param claims: that it has to have, with their values, or None for any.
    :param longest: seconds that may be left of it.
    """

    types: Collection[str | None]
    algorithm: str | None
    audiences: Collection[str]
    claims: dict[str, str | None]
    longest: int


def claims_of(value: str) -> dict[str, Any]:
    """Return the claims of a token that nobody has verified; good for finding out whose it says it is.

    :raises NotVerified: it is no signed token.
    """
    try:
        claims = json.loads(jws.extract_compact(value.encode(), registry=Registry()).payload or b"")
    except _BAD:
        raise NotVerified("not a signed token") from None
    if not isinstance(claims, dict):
        raise NotVerified("not a signed token")
    return claims


def verify(client: ClientRules, value: str, rules: Rules) -> dict[str, Any]:
    """Return the claims of a token that a client signed.

    :raises NotVerified: it is not, or not as *rules* want it.
    """
    registry = Registry(_algorithms(client, rules))
    try:
        header = jws.extract_compact(value.encode(), registry=registry).headers()
        if header.get("typ") not in rules.types:
            raise NotVerified("the type of the token")
        claims = jwt.decode(value, client_keys.of(client, header.get("kid")), registry=registry).claims
        options: dict[str, Any] = {
            name: {"essential": True, **({"value": wanted} if wanted is not None else {})}
            for name, wanted in rules.claims.items()
        }
        options |= {"aud": {"essential": True, "values": list(rules.audiences)}, "exp": {"essential": True}}
        now = int(clock.now().timestamp())
        jwt.JWTClaimsRegistry(now, LEEWAY, **options).validate(claims)
    except KeysUnknown:
        raise NotVerified("the keys of the client") from None
    except _BAD as error:
        raise NotVerified(type(error).__name__) from None
    if claims["exp"] > now + rules.longest:
        raise NotVerified("the end is too far away")
    if client.is_held_to_fapi and claims["aud"] != settings().issuer:
        raise NotVerified("the audience is not the issuer alone")  # section 5.3.2.1
    return claims


def _algorithms(client: ClientRules, rules: Rules) -> set[str]:
    """Return what may be signed with: what is registered, and of that what FAPI 2.0 knows (section 5.4.1)."""
    registered = {rules.algorithm} if rules.algorithm else set(ALGORITHMS)
    return registered - {"RS256"} if client.is_held_to_fapi else registered
