"""The Authlib server of one application: grants, endpoints, token generation, and the metadata it publishes."""

from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from flask import Response, json

from idprotect.models import ClientRules
from idprotect.oidc import clients, dpop
from idprotect.oidc.client_credentials import ClientCredentialsGrant
from idprotect.oidc.device import DeviceAuthorization, DeviceGrantType
from idprotect.oidc.grants import AuthorizationCodeGrant, Pkce, RefreshTokenGrant
from idprotect.oidc.id_token import IdToken, RefreshedIdToken
from idprotect.oidc.logout import EndSession
from idprotect.oidc.requests import ProtocolRequest
from idprotect.oidc.token_exchange import TokenExchangeGrant
from idprotect.oidc.tokens import Introspection, Revocation
from idprotect.registration import AUTH_METHODS


class Server(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server over our requests, clients and tokens."""

    def create_oauth2_request(self, request: ProtocolRequest) -> ProtocolRequest:
        """Return our own request; Authlib's integration would read Flask's, also for a stored one."""
        return request

    def query_client(self, client_id: str) -> ClientRules | None:
        """Return an enabled client."""
        return clients.find(client_id)

    def authenticate_client(
        self, request: ProtocolRequest, methods: Any, endpoint: str = "token"
    ) -> ClientRules:
        """Authenticate a client exactly as it is registered."""
        client = clients.authenticate(request, endpoint)
        if client.token_endpoint_auth_method not in methods:
            raise clients.refused()
        if endpoint == "token" and (request.proofs or client.dpop_bound_access_tokens):
            request.jkt = dpop.check(request.proofs, "POST", "/token")
        return client

    def handle_error_response(self, request: Any, error: OAuth2Error) -> Response:
        """Answer an error, and leave it with the request."""
        request.error = error
        answer: Response = super().handle_error_response(request, error)
        return answer

    def handle_response(self, status_code: int, payload: Any, headers: Any) -> Response:
        """Answer with 303 where Authlib says 302, which lets a browser repeat a POST (RFC 9700 section 4.12)."""
        body = json.dumps(payload) if isinstance(payload, dict) else payload
        return Response(body, 303 if status_code == 302 else status_code, headers=headers)


def create_server() -> Server:
    """Return the server with all that it can do."""
    server = Server()
    confidential_and_public = list(AUTH_METHODS)
    AuthorizationCodeGrant.TOKEN_ENDPOINT_AUTH_METHODS = confidential_and_public
    RefreshTokenGrant.TOKEN_ENDPOINT_AUTH_METHODS = confidential_and_public
    server.register_grant(AuthorizationCodeGrant, [IdToken(), Pkce(required=True)])
    server.register_grant(RefreshTokenGrant, [RefreshedIdToken()])
    server.register_grant(ClientCredentialsGrant)
    server.register_grant(DeviceGrantType, [IdToken()])
    server.register_grant(TokenExchangeGrant)
    server.register_endpoint(DeviceAuthorization)
    server.register_endpoint(Introspection)
    server.register_endpoint(Revocation)
    server.register_endpoint(EndSession)
    return server
