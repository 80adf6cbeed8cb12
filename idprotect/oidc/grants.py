"""The two grants that let tokens out, each asking the gate, each using up what it was given by one write."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from sqlalchemy import Row, bindparam, select, update

from idprotect import audit, clock, gate, protection, session_cookie, standard_claims
from idprotect.audit import Event
from idprotect.gate import Access, Endpoint
from idprotect.keys import sha256
from idprotect.models import (
    AuthorizationCode,
    ClientRules,
    SignIn,
    Token,
    User,
    UserFacts,
    add,
    new_id,
    rows_changed,
    run,
    session,
    table_of,
)
from idprotect.oidc import responses
from idprotect.oidc.issuing import Issuing, random_token
from idprotect.oidc.refusals import RefusedGrant
from idprotect.oidc.requests import ProtocolRequest
from idprotect.risk.detections.anomalous_token import AnomalousToken, reused
from idprotect.runtime import settings

log = logging.getLogger("idprotect.oidc")

USED = "The code is not valid, or was used before."
REFUSED = "The sign-in behind this grant needs the attention of its user."


# Built once: building a statement costs more than running it.
_codes, _tokens = table_of(AuthorizationCode), table_of(Token)
_CODE = select(_codes).where(
    _codes.c.code_hash == bindparam("hash"), _codes.c.client_id == bindparam("client_id")
)
_USE_CODE = (
    update(_codes)
    .where(
        _codes.c.code_hash == bindparam("hash"),
        _codes.c.used_at.is_(None),
        _codes.c.expires_at > bindparam("now"),
    )
    .values(used_at=bindparam("now"))
)
_REFRESH = select(_tokens).where(_tokens.c.refresh_hash == bindparam("hash"))
_THIS_REFRESH = update(_tokens).where(
    _tokens.c.id == bindparam("token_id"),
    _tokens.c.refresh_used_at.is_(None),
    _tokens.c.revoked_at.is_(None),
)
_USE_REFRESH = _THIS_REFRESH.values(refresh_used_at=bindparam("now"))
_KEEP_REFRESH = _THIS_REFRESH.values(refresh_expires_at=bindparam("idle_until"))


class Pkce(CodeChallenge):  # type: ignore[misc]
    """PKCE with S256 only, demanded of every client that is not registered otherwise (RFC 9700 section 2.1.1)."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Refuse a request without challenge already at the authorize endpoint."""
        parameters = grant.request.payload.data
        if "code_challenge" not in parameters and _may_leave_out(grant.request.client, parameters):
            return
        if "code_challenge" not in parameters or parameters.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE is required: code_challenge with code_challenge_method=S256.")
        super().validate_code_challenge(grant, redirect_uri)

    def validate_code_verifier(self, grant: Any, result: Any) -> None:
        """Answer a verifier that is missing like one that is wrong: the code is of no use without it."""
        code, verifier = grant.request.authorization_code, grant.request.form.get("code_verifier")
        if self.get_authorization_code_challenge(code) and not verifier:
            raise InvalidGrantError(description="The verifier of the code challenge is missing.")
        super().validate_code_verifier(grant, result)

    def get_authorization_code_challenge_method(self, authorization_code: Any) -> str:
        """There is only one."""
        return "S256"


def _may_leave_out(client: ClientRules, parameters: Mapping[str, str]) -> bool:
    """Whether a confidential client is registered to protect its codes by a nonce, or by its secret alone."""
    if client.is_public or client.pkce == "required":
        return False
    return client.pkce == "optional" or "nonce" in parameters


class AuthorizationCodeGrant(Issuing, grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """The code grant (RFC 6749 section 4.1)."""

    request: ProtocolRequest

    def generate_authorization_code(self) -> str:
        """Return 256 random bits."""
        return random_token()

    def create_authorization_response(self, redirect_uri: str, grant_user: User) -> tuple[int, str, Any]:
        """Issue a code and send the browser back with it."""
        code, state = self.generate_authorization_code(), self.request.payload.state
        self.save_authorization_code(code, self.request)
        parameters = [("code", code), *([("state", state)] if state else [])]
        answer = responses.answer(redirect_uri, parameters, self.request.response_mode)
        return answer.status_code, answer.get_data(as_text=True), list(answer.headers)

    def save_authorization_code(self, code: str, request: ProtocolRequest) -> None:
        """Store a code with what the ID token will say about the sign-in."""
        sign_in: SignIn = request.sign_in
        now = clock.now()
        parameters = request.payload.data
        add(
            AuthorizationCode,
            {
                "code_hash": sha256(code),
                "client_id": request.client.client_id,
                "user_id": sign_in.user_id,
                "sign_in_id": sign_in.id,
                "family_id": new_id(),
                "redirect_uri": request.payload.redirect_uri,
                "scope": request.scope,
                "resource": parameters.get("resource"),
                "claims": _granted_claims(request),
                "nonce": parameters.get("nonce"),
                "code_challenge": parameters.get("code_challenge"),
                "dpop_jkt": parameters.get("dpop_jkt"),
                "acr": request.wishes.reported(sign_in.acr),
                "amr": sign_in.amr,
                "auth_time": sign_in.authenticated_at,
                "issued_at": now,
                # From its issue, not from auth_time: a code for an old sign-in is as fresh as any.
                "expires_at": now + timedelta(seconds=settings().code_lifetime),
            },
        )

    def query_authorization_code(self, code: str, client: ClientRules) -> "StoredCode | None":
        """Find a code of this client; presented again, everything that came of it is revoked."""
        row = run(_CODE, hash=sha256(code), client_id=client.id).first()
        if row is None or row.issued_at < client.valid_after or not client.has_scopes(row.scope):
            return None
        if row.used_at is not None:
            _reused(row, Event.CODE_REUSED)
            return None
        if row.dpop_jkt is not None and row.dpop_jkt != self.request.jkt:
            return None  # RFC 9449 section 10: bound to a key before it was issued
        return StoredCode(row) if row.expires_at > clock.now() else None

    def authenticate_user(self, authorization_code: "StoredCode") -> UserFacts | None:
        """Use the code up, then ask the gate; whoever is not let in now gets no token either."""
        if run(_USE_CODE, hash=authorization_code.code_hash, now=clock.now()).rowcount != 1:
            session().rollback()
            self.query_authorization_code(
                self.request.form["code"], self.request.client
            )  # used, or taken back?
            raise InvalidGrantError(USED)
        return ask_gate(authorization_code, self.request.client, Endpoint.CODE)

    def delete_authorization_code(self, authorization_code: "StoredCode") -> None:
        """Keep the used row: a second use has to be noticed."""


def _granted_claims(request: ProtocolRequest) -> dict[str, list[str]]:
    """Return the claims wished for by name, as far as the client is registered for their scopes."""
    allowed = standard_claims.of_scopes(request.client.scopes)
    wished = {"userinfo": request.wishes.userinfo, "id_token": request.wishes.id_token}
    return {place: granted for place, names in wished.items() if (granted := sorted(names & allowed))}


class RefreshTokenGrant(Issuing, grants.RefreshTokenGrant):  # type: ignore[misc]
    """The refresh grant (RFC 6749 section 6) with rotation; reuse kills the family (RFC 9700 section 4.14).

    Where FAPI 2.0 holds, a refresh token is kept instead (section 5.3.2.1): it is of no use without the client's keys,
    and a client that missed an answer goes on with the one that it has.
    """

    request: ProtocolRequest

    @property
    def INCLUDE_NEW_REFRESH_TOKEN(self) -> bool:
        """Whether it is rotated, by Authlib's name."""
        return not self.request.client.is_held_to_fapi

    def authenticate_refresh_token(self, refresh_token: str) -> "StoredToken | None":
        """Find a refresh token that can still be used."""
        row = run(_REFRESH, hash=sha256(refresh_token)).first()
        client: ClientRules = self.request.client
        if row is None or row.client_id != client.id or row.issued_at < client.valid_after:
            return None
        if not client.has_scopes(row.granted_scope):
            return None
        if row.refresh_used_at is not None:
            _reused(row, Event.TOKEN_REUSED)
            return None
        if client.is_public and row.jkt is not None and row.jkt != self.request.jkt:
            return None  # RFC 9449 section 5: nothing else proves whose it is
        now = clock.now()
        alive = row.revoked_at is None and min(row.refresh_expires_at, row.family_expires_at) > now
        return StoredToken(row) if alive else None

    def authenticate_user(self, refresh_token: "StoredToken") -> UserFacts | None:
        """Ask the gate first, so that a refused refresh token works again after recovery; then rotate or keep it."""
        user = ask_gate(refresh_token, self.request.client, Endpoint.REFRESH)
        if not self._take(refresh_token):
            session().rollback()  # of the receipt, and of the lock on a row that another waits for
            self.authenticate_refresh_token(self.request.form["refresh_token"])  # used, or revoked?
            raise InvalidGrantError()
        return user

    def _take(self, refresh_token: "StoredToken") -> bool:
        """Use a refresh token up, or keep it for as long again; tell whether it was still there."""
        now = clock.now()
        if self.INCLUDE_NEW_REFRESH_TOKEN:
            taken = run(_USE_REFRESH, token_id=refresh_token.id, now=now)
        else:
            idle_until = now + timedelta(seconds=settings().refresh_token_idle)
            taken = run(_KEEP_REFRESH, token_id=refresh_token.id, idle_until=idle_until)
        return bool(taken.rowcount == 1)

    def revoke_old_credential(self, refresh_token: "StoredToken") -> None:
        """Already done, before the new one was made."""


class Stored:
    """A stored code or refresh token, as Authlib asks for it; its columns are attributes."""

    def __init__(self, row: "Row[Any]") -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, name)


class StoredCode(Stored):
    """A code."""

    def get_redirect_uri(self) -> str | None:
        """Return what the token request has to repeat."""
        return cast("str | None", self._row.redirect_uri)

    def get_scope(self) -> str:
        """Return the scope that was granted."""
        return cast(str, self._row.scope)


class StoredToken(Stored):
    """A refresh token."""

    def check_client(self, client: ClientRules) -> bool:
        """Whether it was issued to this client."""
        return bool(self._row.client_id == client.id)

    def get_scope(self) -> str:
        """Return the scope of the refresh token, which a narrower access token does not narrow."""
        return cast(str, self._row.granted_scope)


def revoke_family(member: Any) -> None:
    """Revoke all tokens that descend from one code: the family of a code or token."""
    protection.hold(member.user_id)
    alive = (Token.family_id == member.family_id, Token.revoked_at.is_(None))
    # A refresh that is under way adds a token which one statement cannot see: it waited for the old one. The next can.
    while rows_changed(update(Token).where(*alive).values(revoked_at=clock.now())):
        pass


def ask_gate(proved: Any, client: ClientRules, endpoint: Endpoint) -> UserFacts:
    """Return the user, if the gate lets this sign-in have tokens for this client now."""
    current = session_cookie.find(proved.sign_in_id)
    if current is None or current.sign_in.ended_at is not None:
        raise RefusedGrant(None, "The sign-in behind this grant has ended.")
    access = Access(current, client.id, frozenset(proved.get_scope().split()))
    verdict = gate.ask(access, endpoint)
    if not verdict.allowed:
        log.info("%s refused, reference %s", endpoint, verdict.reference)
        session().commit()
        raise RefusedGrant(verdict.decision.first, REFUSED)
    return current.user


def _reused(row: Any, event: Event) -> None:
    """RFC 6749 section 4.1.2, RFC 9700 section 4.14: what comes twice was stolen; nothing that came of it is safe."""
    revoke_family(row)
    sign_in, user = session().get(SignIn, row.sign_in_id), session().get(User, row.user_id)
    if sign_in is not None and user is not None and not protection.was_raised(sign_in, AnomalousToken.name):
        what = "a code" if event is Event.CODE_REUSED else "a refresh token"
        protection.raise_detection(user, reused(what), sign_in)
    audit.record(
        event, actor="anonymous", user_id=row.user_id, sign_in_id=row.sign_in_id, client_id=row.client_id
    )
    session().commit()
