"""Errors of applications, noted for their developers where a request failed anyway."""

from urllib.parse import unquote_plus

from authlib.oauth2 import OAuth2Error
from flask import request

from idprotect import client_errors
from idprotect.oidc.explanations import FAULTS

#: Shorter values are words of the protocol rather than something that only this request has.
_LONG = 12


def note(error: OAuth2Error) -> None:
    """Keep an error of this request with the application that it says it comes from. Commits."""
    if error.error not in FAULTS:
        return
    sent = request.form if request.method == "POST" else request.args
    client_id = _claimed_client()
    if client_id:
        redirect_uri = sent.get("redirect_uri", "") if "redirect" in (error.description or "").lower() else ""
        description = error.description or ""
        for value in sent.values():
            if len(value) >= _LONG:
                description = description.replace(value, "…")
        endpoint = (request.endpoint or "").rpartition(".")[2]
        client_errors.note(client_id, endpoint, str(error.error), description, redirect_uri)


def _claimed_client() -> str:
    """Return the application that the request says it comes from; nothing is proved."""
    try:
        credentials = request.authorization
    except ValueError:  # Werkzeug raises for what is no base64
        return ""
    if credentials is not None and credentials.type == "basic":
        return unquote_plus(credentials.username or "")
    return request.values.get("client_id", "")
