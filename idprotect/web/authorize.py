"""The authorize endpoint: the one door through which codes go out, and the way back to it after each page."""

from datetime import timedelta
from typing import Any, cast

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidRequestError
from authlib.oidc.core.errors import RequestURINotSupportedError
from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from idprotect import clock, pendings, sign_ins
from idprotect.conditional_access import Step
from idprotect.errors import InteractionError
from idprotect.flow import Stop, ask, interrupt, no_longer_valid, wanted_of
from idprotect.forms import PageForm
from idprotect.gate import Endpoint
from idprotect.models import ClientRules, session
from idprotect.oidc import (
    document_clients,
    dpop,
    pushed_requests,
    refusals,
    request_objects,
    responses,
    targets,
    wishes,
)
from idprotect.oidc import requests as protocol
from idprotect.oidc.requests import ProtocolRequest
from idprotect.oidc.server import Server
from idprotect.oidc.wishes import UnmetAuthenticationRequirements
from idprotect.pages import error_page
from idprotect.pendings import Pending, Wanted
from idprotect.runtime import runtime
from idprotect.session_cookie import Standing
from idprotect.web import noted

PROMPTS = {"none", "login", "consent", "select_account"}


def authorize() -> Response:
    """Take an authorization request (RFC 6749 section 4.1.1, OIDC Core section 3.1.2.1)."""
    oauth_request = None
    try:
        sent = protocol.read(request, body=request.method == "POST")
        oauth_request = sent
        document_clients.bring(sent.payload.client_id or "")
        oauth_request = request_objects.resolve(pushed_requests.resolve(sent))
        grant = validate(oauth_request)
        _check_way(sent, oauth_request)
        pushed_requests.use(sent)
        wanted = _wanted(oauth_request, grant)
        if request.method == "POST":
            # A cross-site POST comes without our SameSite cookies: keep it, and look again by GET.
            pending = pendings.store(wanted, bound=False)
            return redirect(url_for("idprotect.resume", pending_id=pending.id), 303)
        return _answer(oauth_request, grant, wanted, None)
    except OAuth2Error as error:
        return _refuse(error, oauth_request)


def _check_way(sent: ProtocolRequest, resolved: ProtocolRequest) -> None:
    """Refuse a request that did not come as its client is registered to send it."""
    client: ClientRules = resolved.client
    if client.require_pushed and not pushed_requests.is_reference(sent):
        raise _at_client(InvalidRequestError("The request has to be pushed."), resolved)
    if client.require_signed_request_object and resolved is sent:
        raise _at_client(InvalidRequestError("The request has to be signed."), resolved)


def resume(pending_id: str) -> Response:
    """Come back from a page: decide again, from the stored request and the facts as they are now."""
    pending = pendings.find(pending_id)
    return go_on(pending) if pending is not None else no_longer_valid()


def go_on(pending: Pending) -> Response:
    """Answer a request that waits: with what was wanted, or with the page that is due."""
    if not pending.payload:
        return _back_to_page(pending)
    oauth_request = stored_request(pending)
    try:
        document_clients.bring(pending.client_id)
        grant = validate(oauth_request)
        return _answer(oauth_request, grant, wanted_of(pending), pending)
    except OAuth2Error as error:
        return _refuse(error, oauth_request)


def cancel(pending_id: str) -> Response:
    """Go back without a code: the application gets ``access_denied``."""
    pending = pendings.find(pending_id)
    if pending is None:
        return no_longer_valid()
    form = PageForm.for_page("cancel")
    try:
        form.check()
    except InteractionError as error:
        return error_page(400, "That did not work", error.message)
    return deny(pending)


def deny(pending: Pending) -> Response:
    """Use a pending authorization up without giving anything out."""
    if not pendings.consume(pending):
        return no_longer_valid()
    session().commit()
    if not pending.payload:
        return error_page(200, "Cancelled", "Nothing was changed. You can close this page.")
    oauth_request = stored_request(pending)
    try:
        validate(oauth_request)
        return _refuse(_at_client(AccessDeniedError(), oauth_request), oauth_request)
    except OAuth2Error as error:
        return _refuse(error, oauth_request)


def stored_request(pending: Pending) -> ProtocolRequest:
    """Rebuild the request as it was resolved when it came."""
    return ProtocolRequest("GET", "/authorize", pending.payload)


def _answer(oauth_request: ProtocolRequest, grant: Any, wanted: Wanted, pending: Pending | None) -> Response:
    client: ClientRules = oauth_request.client
    consented_at = pending.consented_at if pending is not None else None
    stop = ask(wanted, Endpoint.AUTHORIZE, first_party=client.first_party, consented_at=consented_at)
    if not stop.allowed:
        if "none" in _prompts(oauth_request):
            session().commit()
            raise _at_client(refusals.without_pages(_missing(stop)), oauth_request)
        return interrupt(stop, pending or pendings.store(wanted))
    current = cast(Standing, stop.current)
    if not oauth_request.wishes.are_met_by(current.sign_in.acr):
        session().commit()
        raise _at_client(UnmetAuthenticationRequirements(), oauth_request)
    if pending is not None and not pendings.consume(pending):
        session().rollback()
        return no_longer_valid()
    sign_ins.complete(current)
    oauth_request.sign_in = current.sign_in
    response = _server().handle_response(
        *grant.create_authorization_response(grant.redirect_uri, current.user)
    )
    session().commit()
    return response


def validate(oauth_request: ProtocolRequest) -> object:
    """Let Authlib validate client, redirect URI, scope and PKCE; and answer what is not supported."""
    grant = _server().get_consent_grant(oauth_request, end_user=None)
    parameters = oauth_request.payload.data
    try:
        if "request_uri" in parameters:
            raise RequestURINotSupportedError()
        if oauth_request.response_mode not in responses.MODES:
            raise InvalidRequestError("This response_mode is not supported.")
        prompts = _prompts(oauth_request)
        if prompts - PROMPTS or ("none" in prompts and len(prompts) > 1):
            raise InvalidRequestError("The value of prompt is not valid.")
        if not parameters.get("max_age", "0").isdecimal() or len(parameters.get("max_age", "0")) > 9:
            raise InvalidRequestError("The value of max_age is not valid.")
        if not dpop.is_thumbprint(parameters.get("dpop_jkt")):
            raise InvalidRequestError("The value of dpop_jkt is not valid.")
        targets.check(parameters.get("resource"), oauth_request.client)
        oauth_request.wishes = wishes.read(parameters, oauth_request.client)
    except OAuth2Error as error:
        raise _at_client(error, oauth_request) from None
    return grant


def _at_client(error: OAuth2Error, oauth_request: ProtocolRequest) -> OAuth2Error:
    """Send an error to the redirect URI; only once client and URI have been validated."""
    error.redirect_uri = oauth_request.payload.redirect_uri
    error.state = oauth_request.payload.state
    return error


def _wanted(oauth_request: ProtocolRequest, grant: object) -> Wanted:
    client: ClientRules = oauth_request.client
    parameters = oauth_request.payload.data
    prompts, now = _prompts(oauth_request), clock.now()
    sign_in_after = None
    if prompts & {"login", "select_account"}:
        sign_in_after = now
    elif "max_age" in parameters:
        # Computed once: measured from each page, the person would be asked for ever.
        sign_in_after = now - timedelta(seconds=int(parameters["max_age"]))
    return Wanted(
        client_id=client.id,
        client_name=client.shown_name,
        scopes=frozenset(oauth_request.scope.split()) | oauth_request.wishes.scopes & set(client.scopes),
        payload=parameters,
        user_id=oauth_request.wishes.user_id,
        step_up=oauth_request.wishes.step_up,
        sign_in_after=sign_in_after,
        # Nobody vouches for a client that is known by its document, and anybody may send a request in its name.
        ask_consent="consent" in prompts or client.by_document,
    )


def _prompts(oauth_request: ProtocolRequest) -> set[str]:
    return set(oauth_request.payload.data.get("prompt", "").split())


def _missing(stop: Stop) -> Step | None:
    """Return what stands in the way; None: nobody is signed in."""
    return stop.verdict.decision.first if stop.verdict is not None else None


def _back_to_page(pending: Pending) -> Response:
    """Go on to a page that waited; it asks the gate itself, again."""
    stop = ask(wanted_of(pending), Endpoint.PAGE, first_party=True)
    if not stop.allowed:
        return interrupt(stop, pending)
    if not pendings.consume(pending):
        session().rollback()
        return no_longer_valid()
    sign_ins.complete(cast(Standing, stop.current))
    session().commit()
    return redirect(pending.return_to or "/", 303)


def _refuse(error: OAuth2Error, oauth_request: ProtocolRequest | None) -> Response:
    """Answer an error: at the redirect URI once that was validated, else on a page (RFC 6749 section 4.1.2.1)."""
    session().rollback()
    noted.note(error)
    redirect_uri = error.redirect_uri
    if redirect_uri is None or oauth_request is None:
        return error_page(
            400,
            "This request cannot be answered",
            "The application sent a request that is not valid. Please tell its developers: "
            f"{error.error} ({error.description or 'no details'})",
        )
    return responses.answer(redirect_uri, error.get_body(), oauth_request.response_mode)


def _server() -> Server:
    return cast(Server, runtime().server)
