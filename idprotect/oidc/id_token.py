"""ID tokens (OIDC Core section 2): what really happened, signed with the newest key."""

from collections.abc import Iterable, Mapping
from typing import Any

from authlib.oidc.core import OpenIDCode
from authlib.oidc.core.grants.util import create_half_hash

from idprotect import clock, standard_claims
from idprotect.models import ClientRules, SignIn, UserFacts, session
from idprotect.oidc import risk_claim, subjects
from idprotect.oidc.issuing import proof
from idprotect.oidc.signing import sign
from idprotect.runtime import runtime, settings

LIFETIME = 3600


class IdToken(OpenIDCode):  # type: ignore[misc]
    """Adds the ID token to the answer of the code grant.

    ``prompt`` is not left to Authlib, which knows one value of it at a time; see :mod:`idprotect.web.authorize`.
    """

    def __call__(self, grant: Any) -> None:
        """Register with a grant."""
        grant.register_hook("after_create_token_response", self.process_token)

    def encode_id_token(self, token: dict[str, Any], request: Any) -> str:
        """Sign the claims about the sign-in that the code, or the refresh token, came of."""
        proved = proof(request)
        client: ClientRules = request.client
        now, algorithm = int(clock.now().timestamp()), client.id_token_signed_response_alg
        claims = {
            "iss": settings().issuer,
            "sub": subjects.of(client, proved.user_id),
            "aud": client.id,
            "exp": now + LIFETIME,
            "iat": now,
            "auth_time": int(proved.auth_time.timestamp()),
            "acr": proved.acr,
            "amr": proved.amr,
            "sid": subjects.session_of(client, proved.sign_in_id),
            "at_hash": create_half_hash(
                token["access_token"], algorithm or runtime().keys.algorithm
            ).decode(),
        }
        if nonce := getattr(proved, "nonce", None):
            claims["nonce"] = nonce
        if request.client.release_risk:
            claims |= risk_claim.of(request.client, request.user, session().get(SignIn, proved.sign_in_id))
        # What scopes ask for is at userinfo (OIDC Core section 5.4); an ID token gets about.
        wished = user_claims(request.user, proved.claims.get("id_token", ()))
        return sign(wished | claims, algorithm=algorithm)


class RefreshedIdToken(IdToken):
    """Adds one to the answer of the refresh grant, for clients that are registered to get it.

    It may be left out (OIDC Core section 12.2) and tells nothing new; its signature is the dearest part of a refresh.
    """

    def process_token(self, grant: Any, response: Any) -> None:
        """Add it for a client that wants it."""
        if grant.request.client.id_token_at_refresh:
            super().process_token(grant, response)


def user_claims(user: UserFacts, names: Iterable[str]) -> dict[str, Any]:
    """Return the standard claims of these names that are known of somebody."""
    wanted = standard_claims.ALL & set(names)
    return {name: value for name, value in runtime().directory.claims(user).items() if name in wanted}


def signed_userinfo(claims: Mapping[str, Any], client: ClientRules) -> str:
    """Sign the answer of userinfo (OIDC Core section 5.3.2); its type keeps it from passing for another token."""
    said = {**claims, "iss": settings().issuer, "aud": client.id}
    return sign(said, "userinfo+jwt", client.userinfo_signed_response_alg)
