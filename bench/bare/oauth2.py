"""Authlib, told about the models: grants and endpoints subclassed as its documentation shows.

One thing differs from the documentation, in the bare server's favour: the signing key is imported once at
start-up. Read and imported for each token, as printed there, an RSA key of 3072 bits costs 100 ms each time.
"""

from __future__ import annotations

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.integrations.sqla_oauth2 import (
    create_bearer_token_validator,
    create_query_client_func,
    create_query_token_func,
    create_save_token_func,
)
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oidc.core import UserInfo, UserInfoEndpoint
from authlib.oidc.core.grants import OpenIDCode, OpenIDToken
from flask import Flask, current_app

from .models import AuthorizationCode, Client, Token, User, db

CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]

server = AuthorizationServer()
require_oauth = ResourceProtector()
query_token = create_query_token_func(db.session, Token)


def user_info(user: User, scope: str) -> UserInfo:
    return UserInfo(sub=str(user.id), name=user.name, preferred_username=user.username).filter(scope)


class AuthorizationCodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS

    def save_authorization_code(self, code, request):
        data = request.payload.data
        auth_code = AuthorizationCode(
            code=code,
            client_id=request.client.client_id,
            redirect_uri=request.payload.redirect_uri,
            scope=request.scope,
            user_id=request.user.id,
            nonce=data.get("nonce"),
            code_challenge=data.get("code_challenge"),
            code_challenge_method=data.get("code_challenge_method"),
        )
        db.session.add(auth_code)
        db.session.commit()
        return auth_code

    def query_authorization_code(self, code, client):
        item = AuthorizationCode.query.filter_by(code=code, client_id=client.client_id).first()
        if item and not item.is_expired():
            return item
        return None

    def delete_authorization_code(self, authorization_code):
        db.session.delete(authorization_code)
        db.session.commit()

    def authenticate_user(self, authorization_code):
        return db.session.get(User, authorization_code.user_id)


class RefreshTokenGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token):
        item = Token.query.filter_by(refresh_token=refresh_token).first()
        if item and item.is_refresh_token_valid():
            return item
        return None

    def authenticate_user(self, credential):
        return db.session.get(User, credential.user_id)

    def revoke_old_credential(self, credential):
        credential.revoke()
        db.session.add(credential)
        db.session.commit()


class IdTokens:
    """How ID tokens are signed and what they say, shared by the two extensions."""

    def resolve_client_private_key(self, client):
        return current_app.config["SIGNING_KEY"]

    def get_client_claims(self, client):
        return {"iss": current_app.config["ISSUER"]}

    def generate_user_info(self, user, scope):
        return user_info(user, scope)


class CodeIdTokens(IdTokens, OpenIDCode):
    def exists_nonce(self, nonce, request):
        exists = AuthorizationCode.query.filter_by(client_id=request.payload.client_id, nonce=nonce).first()
        return bool(exists)


class RefreshIdTokens(IdTokens, OpenIDToken):
    """An ID token with each refresh; the documentation leaves it out, so it is off by default."""


class Introspection(IntrospectionEndpoint):
    def query_token(self, token, token_type_hint):
        return query_token(token, token_type_hint)

    def introspect_token(self, token):
        return {
            "active": True,
            "client_id": token.client_id,
            "token_type": token.token_type,
            "username": token.user.username if token.user else None,
            "scope": token.get_scope(),
            "sub": str(token.user_id),
            "aud": token.client_id,
            "iss": current_app.config["ISSUER"],
            "exp": token.issued_at + token.expires_in,
            "iat": token.issued_at,
        }

    def check_permission(self, token, client, request):
        return token.client_id == client.client_id


class UserInfoView(UserInfoEndpoint):
    def generate_user_info(self, user, scope):
        return user_info(user, scope)


def config_oauth(app: Flask) -> None:
    """Register grants and endpoints; called once per process."""
    server.init_app(
        app,
        query_client=create_query_client_func(db.session, Client),
        save_token=create_save_token_func(db.session, Token),
    )
    server.register_grant(
        AuthorizationCodeGrant, [CodeIdTokens(require_nonce=True), CodeChallenge(required=True)]
    )
    server.register_grant(RefreshTokenGrant, [RefreshIdTokens()] if app.config["REFRESH_ID_TOKEN"] else [])
    server.register_grant(grants.ClientCredentialsGrant)
    server.register_endpoint(Introspection)
    require_oauth.register_token_validator(create_bearer_token_validator(db.session, Token)())
    server.register_endpoint(UserInfoView(resource_protector=require_oauth))
