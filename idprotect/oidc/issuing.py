"""Access and refresh tokens as they go out: by reference, or as a JWT for a resource server; stored as hashes.

A JWT is stored like any other token, and at our own endpoints the row alone counts: what was revoked, or came of a
sign-in that has ended, is refused there, however good its signature is.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any

from idprotect import clock
from idprotect.keys import sha256
from idprotect.models import SignIn, Token, UserFacts, add, new_id, session
from idprotect.oidc import risk_claim, subjects, targets
from idprotect.oidc.requests import ProtocolRequest
from idprotect.oidc.signing import sign
from idprotect.runtime import settings


class Unprinted(dict[str, Any]):
    """Tokens that nobody prints by accident: Authlib writes what it issues to its log, when that is talkative."""

    def __repr__(self) -> str:
        return "<tokens>"


class Issuing:
    """What the grants have in common: the tokens that they end in."""

    GRANT_TYPE: str
    request: ProtocolRequest

    def generate_token(
        self, user: Any = None, scope: str | None = None, include_refresh_token: bool = True
    ) -> Unprinted:
        """Make the answer of the token endpoint (RFC 6749 section 5.1); refresh tokens for ``offline_access`` only.

        :raises InvalidTarget: for a resource that is not the grant's. What was done is undone with the transaction.
        """
        proved, lifetime = proof(self.request), self.lifetime()
        granted = proved.resource if proved is not None else None
        self.request.audience = targets.audience(self.request.client, granted, self.target())
        is_offline = self.GRANT_TYPE == "refresh_token" or "offline_access" in (scope or "").split()
        token = Unprinted(
            token_type="DPoP" if self.request.jkt else "Bearer",
            access_token=_access_token(self.request, user, scope or "", lifetime),
            expires_in=lifetime,
            scope=scope or "",
        )
        if include_refresh_token and is_offline:
            token["refresh_token"] = random_token()
        return token

    def target(self) -> str | None:
        """Return the resource server that the request names; None when it names none."""
        return targets.check(self.request.form.get("resource"), self.request.client)

    def lifetime(self) -> int:
        """Return the seconds that the access token lives."""
        return settings().access_token_lifetime

    def save_token(self, token: dict[str, Any]) -> None:
        """Store what is about to be given out."""
        add(Token, self.columns(token))

    def columns(self, token: dict[str, Any]) -> dict[str, Any]:
        """Return the row of what is about to be given out, which has the tokens as hashes."""
        request, proved, now = self.request, proof(self.request), clock.now()
        refresh = token.get("refresh_token")
        expires_at = now + timedelta(seconds=token["expires_in"])
        row = {
            "id": new_id(),
            "family_id": new_id(),
            "client_id": request.client.id,
            "scope": token["scope"],
            "granted_scope": token["scope"],
            "audience": request.audience,
            "access_hash": sha256(token["access_token"]),
            "access_expires_at": expires_at,
            "refresh_hash": sha256(refresh) if refresh else None,
            "refresh_expires_at": now + timedelta(seconds=settings().refresh_token_idle) if refresh else None,
            "family_expires_at": expires_at,
            "issued_at": now,
            "jkt": request.jkt,
        }
        return row | (_of_user(proved, now) if proved is not None else {})


def proof(request: ProtocolRequest) -> Any:
    """Return the code, device or token that stands for a user's sign-in; None where a client acts for itself."""
    return request.authorization_code or request.refresh_token or request.credential


def random_token() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def _of_user(proved: Any, now: datetime) -> dict[str, Any]:
    """Return the columns that a token inherits of what it was given for."""
    family_end = getattr(proved, "family_expires_at", None)
    return {
        "family_id": proved.family_id,
        "user_id": proved.user_id,
        "sign_in_id": proved.sign_in_id,
        "granted_scope": proved.get_scope(),
        "resource": proved.resource,
        "claims": proved.claims,
        "family_expires_at": family_end or now + timedelta(seconds=settings().refresh_token_absolute),
        "acr": proved.acr,
        "amr": proved.amr,
        "auth_time": proved.auth_time,
    }


def _access_token(request: ProtocolRequest, user: UserFacts | None, scope: str, lifetime: int) -> str:
    """Return a random value, or a JWT for the client's resource server (RFC 9068 section 2.2)."""
    client, proved = request.client, proof(request)
    if client.access_token_audience is None:
        return random_token()
    now = int(clock.now().timestamp())
    claims = {
        "iss": settings().issuer,
        "sub": subjects.of(client, proved.user_id) if proved is not None else client.id,
        "aud": request.audience,
        "client_id": client.id,
        "iat": now,
        "exp": now + lifetime,
        "jti": new_id(),
        "scope": scope,
    }
    if proved is not None:
        claims |= {"auth_time": int(proved.auth_time.timestamp()), "acr": proved.acr, "amr": proved.amr}
        claims |= subjects.acting(client, getattr(proved, "actors", ()))
    if user is not None:
        claims |= risk_claim.of(client, user, session().get(SignIn, proved.sign_in_id))
    if request.jkt:
        claims["cnf"] = {"jkt": request.jkt}
    return sign(claims, "at+jwt")
