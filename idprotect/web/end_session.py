"""The way out: an application sends its user here to sign out, and gets the browser back when that is safe."""

from typing import cast

from authlib.oauth2 import OAuth2Error
from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from idprotect import session_cookie
from idprotect.errors import InteractionError
from idprotect.flow import no_longer_valid
from idprotect.forms import PageForm
from idprotect.models import session
from idprotect.oidc import logout
from idprotect.oidc import requests as protocol
from idprotect.oidc.logout import Leaving
from idprotect.oidc.server import Server
from idprotect.pages import allow_form_to_uri, error_page, render
from idprotect.runtime import runtime


def end_session() -> Response:
    """Take a logout request (RP-Initiated Logout section 2).

    What was validated goes on in a link, by GET: a cross-site POST comes without our SameSite cookies, and the ID
    token need not stand in the browser's history twice.
    """
    try:
        oauth_request = protocol.read(request, body=request.method == "POST")
        leaving = cast(Server, runtime().server).validate_endpoint_request("end_session", oauth_request)
    except OAuth2Error as error:
        return error_page(
            400,
            "You were not signed out",
            "The application sent a request that is not valid. Please sign out on your account page. "
            f"For its developers: {error.error} ({error.description or 'no details'})",
        )
    return redirect(url_for("idprotect.leave", request=logout.link(leaving)), 303)


def leave() -> Response:
    """Sign this browser out: at once for a hint about its own sign-in, else after a question."""
    leaving = logout.read_link(request.args.get("request", ""))
    if leaving is None:
        return no_longer_valid()
    current = session_cookie.current()
    if current is None:
        return _left(leaving, confirmed=False)
    confirmed = request.method == "POST"
    if confirmed:
        try:
            PageForm.for_page("leave").check()
        except InteractionError as error:
            return error_page(400, "That did not work", error.message)
    elif not leaving.is_about(current):
        return _question(leaving, current.user.display_name)
    session_cookie.end(current, "signed_out")
    session().commit()
    return _left(leaving, confirmed=confirmed)


def _question(leaving: Leaving, user_name: str) -> Response:
    if leaving.return_to:
        allow_form_to_uri(leaving.return_to)
    return render(
        "sign_out.html",
        form=PageForm.for_page("leave"),
        action=request.full_path,
        cancel_url=url_for("idprotect.account"),
        client_name=leaving.client_name,
        user_name=user_name,
    )


def _left(leaving: Leaving, *, confirmed: bool) -> Response:
    """Go back to the application if it proved that it knew its user, or the person agreed; else say that it is done."""
    if leaving.return_to and (leaving.is_hinted or confirmed):
        return redirect(leaving.return_to, 303)
    return render(
        "signed_out.html",
        return_url=leaving.return_to,
        client_name=leaving.client_name,
        sign_in_url=url_for("idprotect.start"),
    )
