"""The bare provider's pages and endpoints: a login form, the code flow with a first-party auto-consent."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from authlib.oauth2 import OAuth2Error
from authlib.oidc.discovery import OpenIDProviderMetadata
from flask import Blueprint, current_app, jsonify, redirect, render_template, request, session, url_for

from .models import User, db
from .oauth2 import server

bp = Blueprint("bare", __name__)


def current_user() -> User | None:
    return db.session.get(User, session["id"]) if "id" in session else None


@bp.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "GET":
        return render_template("login.html", next=request.args.get("next", "/"))
    user = User.query.filter_by(username=request.form.get("username", "")).first()
    if user is None or not is_password(user, request.form.get("password", "")):
        error = "Wrong name or password."
        return render_template("login.html", next=request.form.get("next", "/"), error=error), 401
    session.clear()
    session["id"] = user.id
    return redirect(local_path(request.form.get("next", "/")))


def is_password(user: User, password: str) -> bool:
    hasher: PasswordHasher = current_app.config["PASSWORD_HASHER"]
    try:
        return hasher.verify(user.password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def local_path(path: str) -> str:
    """Keep redirects after login on this server."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


@bp.route("/oauth/authorize")
def authorize():
    user = current_user()
    try:
        grant = server.get_consent_grant(end_user=user)
    except OAuth2Error as error:
        return server.handle_error_response(request, error)
    if user is None:
        return redirect(url_for(".login", next=request.full_path))
    return server.create_authorization_response(grant=grant, grant_user=user)


@bp.route("/oauth/token", methods=["POST"])
def issue_token():
    return server.create_token_response()


@bp.route("/oauth/introspect", methods=["POST"])
def introspect_token():
    return server.create_endpoint_response("introspection")


@bp.route("/oauth/userinfo", methods=["GET", "POST"])
def userinfo():
    return server.create_endpoint_response("userinfo")


@bp.route("/oauth/jwks")
def jwks():
    return jsonify(keys=[current_app.config["SIGNING_KEY"].as_dict(private=False)])


@bp.route("/.well-known/openid-configuration")
def discovery():
    issuer = current_app.config["ISSUER"]
    metadata = OpenIDProviderMetadata(
        {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}{url_for('.authorize')}",
            "token_endpoint": f"{issuer}{url_for('.issue_token')}",
            "jwks_uri": f"{issuer}{url_for('.jwks')}",
            "userinfo_endpoint": f"{issuer}{url_for('.userinfo')}",
            "introspection_endpoint": f"{issuer}{url_for('.introspect_token')}",
            "scopes_supported": ["openid", "profile", "offline_access"],
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
    )
    return jsonify(metadata)
