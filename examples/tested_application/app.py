"""An application that signs people in with OpenID Connect, wants more before money moves, and hears of sign-outs.

What ``test_app.py`` checks: its step-up, what it does when a refresh is refused, and its back-channel logout.
"""

from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, abort, current_app, redirect, request, session, url_for
from werkzeug.wrappers import Response

from idprotect.issuer import InvalidToken, Issuer


def create_app(issuer: str, client_id: str, client_secret: str) -> Flask:
    """Make the application."""
    app = Flask(__name__)
    app.secret_key = "only for trying it out"
    app.config["ISSUER"], app.config["CLIENT_ID"] = Issuer(issuer), client_id
    app.config["TOKENS"] = {}  # by session of the provider; a real application has a database
    OAuth(app).register(
        "provider",
        client_id=client_id,
        client_secret=client_secret,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid offline_access", "code_challenge_method": "S256"},
    )
    app.add_url_rule("/login", "login", login)
    app.add_url_rule("/callback", "callback", callback)
    app.add_url_rule("/", "balance", balance)
    app.add_url_rule("/transfer", "transfer", transfer)
    app.add_url_rule("/backchannel-logout", "logout", logout, methods=["POST"])
    return app


def login() -> Response:
    """Send the browser to the provider."""
    wanted = {"acr_values": request.args["acr"]} if "acr" in request.args else {}
    session["then"] = request.args.get("then", "balance")
    return provider().authorize_redirect(url_for("callback", _external=True), **wanted)


def callback() -> Response:
    """Take the code; Authlib checks state, nonce, signature and claims."""
    token = provider().authorize_access_token()
    claims = token["userinfo"]
    session["sid"], session["acr"] = claims["sid"], claims["acr"]
    tokens()[claims["sid"]] = token
    return redirect(url_for(session.pop("then")))


def balance() -> Response | str:
    """Show the balance, while the provider still renews the token."""
    if session.get("sid") not in tokens():
        return redirect(url_for("login"))
    try:
        refresh_token = tokens()[session["sid"]]["refresh_token"]
        renewed = provider().fetch_access_token(grant_type="refresh_token", refresh_token=refresh_token)
    except OAuthError:  # invalid_grant: the person has to do something first, and the provider knows what
        return redirect(url_for("login"))
    tokens()[session["sid"]].update(renewed)
    return "You have 40 crowns."


def transfer() -> Response | str:
    """Move money: for somebody with a second factor."""
    if session.get("sid") not in tokens() or session["acr"] != "aal2":
        return redirect(url_for("login", acr="aal2", then="transfer"))
    return "The money is on its way."


def logout() -> Response:
    """The provider says that a session ended (OIDC Back-Channel Logout)."""
    try:
        claims = current_app.config["ISSUER"].logout_token(
            request.form.get("logout_token", ""), current_app.config["CLIENT_ID"]
        )
    except InvalidToken:
        abort(400)
    tokens().pop(claims.get("sid"), None)
    return Response(headers={"Cache-Control": "no-store"})


def provider() -> Any:
    """The provider, as Authlib knows it."""
    return current_app.extensions["authlib.integrations.flask_client"].provider


def tokens() -> dict[str, dict[str, Any]]:
    """The tokens of those who are signed in."""
    return current_app.config["TOKENS"]
