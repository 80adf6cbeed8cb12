"""Where the provider tells us things, server to server, and the page that shows what came."""

from flask import Blueprint, Response, render_template, request

from idprotect.issuer import InvalidToken, IssuerUnavailable

from .visitors import end_stays, northwind

blueprint = Blueprint("hearing", __name__)


@blueprint.post("/backchannel-logout")
def backchannel_logout() -> Response:
    """End the stays that a logout token is about (OIDC Back-Channel Logout 1.0 sections 2.5 and 2.8).

    Whoever sends one again ends nothing more.
    """
    signals = northwind().signals
    try:
        claims = signals.issuer.logout_token(
            request.form.get("logout_token", ""), northwind().settings.client_id
        )
    except InvalidToken:
        return Response(status=400)
    except IssuerUnavailable:
        return Response(status=503)  # it will be sent again
    signals.take_logout(claims, end_stays(claims))
    return Response(status=200)


@blueprint.get("/events")
def events() -> str:
    """Show what the provider told."""
    signals = northwind().signals
    return render_template("events.html", heard=list(signals.heard), is_subscribed=signals.is_subscribed)
