"""RP-initiated logout (OIDC RP-Initiated Logout 1.0): what an application may ask for when its user signs out."""

from dataclasses import asdict, dataclass
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oidc.rpinitiated import EndSessionEndpoint
from itsdangerous import BadSignature, URLSafeTimedSerializer

from idprotect import sessions
from idprotect.models import ClientRules
from idprotect.oidc import clients, hints, responses, subjects
from idprotect.oidc.requests import ProtocolRequest
from idprotect.runtime import runtime
from idprotect.session_cookie import Current

#: For so long a confirmation page may stay open.
LINK_AGE = 900


@dataclass(frozen=True, slots=True)
class Leaving:
    """A validated logout request.

    :param sid: of the ID token that came as a hint; None without one.
    :param audience: the client that it was for, which knows the session by it.
    :param return_to: a registered URI, with ``state``.
    """

    client_name: str | None
    user_id: str | None = None
    sid: str | None = None
    audience: str = ""
    return_to: str | None = None

    @property
    def is_hinted(self) -> bool:
        """Whether it came with an ID token of ours."""
        return self.sid is not None

    def is_about(self, current: Current) -> bool:
        """Whether the ID token came of the sign-in in this browser: then nobody has to be asked."""
        client = clients.find(self.audience)
        if self.user_id != current.user.id or client is None:
            return False
        ids = (current.sign_in.id, *sessions.replaced_by(current.sign_in))
        return self.sid in [subjects.session_of(client, sign_in_id) for sign_in_id in ids]


class EndSession(EndSessionEndpoint):  # type: ignore[misc]
    """Authlib's validation; asking and ending are done by :mod:`idprotect.web.end_session`."""

    def validate_request(self, request: ProtocolRequest) -> Leaving:
        """Return what is asked for.

        :raises InvalidRequestError: for a hint that is not ours, or is another application's.
        """
        wanted = super().validate_request(request)
        claims, client = wanted.id_token_claims or {}, wanted.client
        return_to = None
        if wanted.redirect_uri is not None:
            state = request.payload.state
            uri = request.payload.data["post_logout_redirect_uri"]
            return_to = responses.with_query(uri, [("state", state)] if state else [])
        name = client.shown_name if client is not None else None
        user_id = subjects.user_of_hint(claims) if claims else None
        return Leaving(name, user_id, claims.get("sid"), claims.get("aud", ""), return_to)

    def _validate_id_token_hint(self, id_token_hint: str) -> dict[str, Any]:
        # Authlib would take any token of ours for an ID token, and raise on some that are none.
        return hints.read(id_token_hint)

    def _is_valid_post_logout_redirect_uri(self, client: ClientRules, uri: str) -> bool:
        if not client.check_post_logout_redirect_uri(uri):
            raise InvalidRequestError("The post_logout_redirect_uri is not registered.")
        return True

    def is_post_logout_redirect_uri_legitimate(self, *_: Any) -> bool:
        """Without a hint a registered URI is used after the person confirmed, never before."""
        return True


def link(leaving: Leaving) -> str:
    """Return a validated request as signed text, which says nothing about the browser that it came from."""
    return _serializer().dumps(asdict(leaving))


def read_link(text: str) -> Leaving | None:
    """Return the request of a link; None when it is forged or too old."""
    try:
        return Leaving(**_serializer().loads(text, max_age=LINK_AGE))
    except BadSignature:
        return None


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(runtime().keys.app_secret, salt="idprotect.logout")
