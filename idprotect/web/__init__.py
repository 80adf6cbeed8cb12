"""The pages and endpoints, as one blueprint; every answer of it has the security headers."""

from flask import Blueprint, Response, abort, request
from werkzeug.exceptions import MethodNotAllowed

from idprotect import notifications, pages
from idprotect.models import has_session, session
from idprotect.web import account, authorize, interaction, outbox, sign_in, tokens

GET, POST = ["GET"], ["POST"]
BOTH = GET + POST

#: POSTed by applications, not by browsers on behalf of a person: no form token, no check of the origin.
PROTOCOL_ENDPOINTS = frozenset({"authorize", "token", "introspect", "revoke", "userinfo"})

#: Where a GET gives a code out, as the protocol wants it; a HEAD must change nothing, so there is none.
CODE_ENDPOINTS = frozenset({"authorize", "resume"})

LARGEST_BODY = 64 * 1024

#: path, endpoint, view, methods
ROUTES = (
    ("/authorize", "authorize", authorize.authorize, BOTH),
    ("/authorize/<pending_id>", "resume", authorize.resume, GET),
    ("/cancel/<pending_id>", "cancel", authorize.cancel, POST),
    ("/interaction/<pending_id>/<step>", "interaction", interaction.interaction, BOTH),
    ("/token", "token", tokens.token, POST),
    ("/userinfo", "userinfo", tokens.userinfo, BOTH),
    ("/introspect", "introspect", tokens.introspect, POST),
    ("/revoke", "revoke", tokens.revoke, POST),
    ("/jwks", "jwks", tokens.jwks, GET),
    ("/.well-known/openid-configuration", "configuration", tokens.configuration, GET),
    ("/.well-known/oauth-authorization-server", "authorization_server", tokens.configuration, GET),
    ("/health", "health", tokens.health, GET),
    ("/account", "account", account.home, GET),
    ("/account/password", "password", account.password, BOTH),
    ("/account/methods", "add_method", account.add_method, BOTH),
    ("/account/methods/<authenticator_id>/remove", "remove_method", account.remove_method, POST),
    ("/account/sign-ins/<sign_in_id>/end", "end_sign_in", account.end_sign_in, POST),
    ("/account/sign-ins/<sign_in_id>/report", "report_sign_in", account.report_sign_in, BOTH),
    ("/account/consents/<client_id>/revoke", "revoke_consent", account.revoke_consent, POST),
    ("/report/<token>", "report_by_link", account.report_by_link, BOTH),
    ("/sign-out", "sign_out", account.sign_out, BOTH),
    ("/outbox", "outbox", outbox.outbox, GET),
)

#: Our own sign-in page; a host application has its own instead.
SIGN_IN_ROUTES = (
    ("/sign-in", "start", sign_in.start, GET),
    ("/sign-in/<pending_id>", "sign_in", sign_in.sign_in, BOTH),
)


def create_blueprint() -> Blueprint:
    """Return the blueprint with all routes, headers and error pages."""
    blueprint = Blueprint(
        "idprotect",
        "idprotect",
        template_folder=pages.template_folder(),
        static_folder="static",
        static_url_path="/idprotect-static",
    )
    for path, endpoint, view, methods in (*ROUTES, *SIGN_IN_ROUTES):
        blueprint.add_url_rule(path, endpoint, view, methods=methods)
    blueprint.before_request(_guard)
    blueprint.after_request(_finish)
    blueprint.teardown_request(_clean_up)
    pages.register_errors(blueprint)
    return blueprint


def _guard() -> Response | None:
    """Turn away what no page or endpoint should have to think about."""
    request.max_content_length = LARGEST_BODY
    if len(request.query_string) > pages.LONGEST_QUERY or len(request.path) > pages.LONGEST_PATH:
        abort(414)
    if not request.query_string.decode("latin-1").isprintable() or not request.query_string.isascii():
        abort(400)  # RFC 3986 section 2: whatever is not printable ASCII comes percent-encoded
    if "\x00" in request.path or not request.path.isprintable():
        abort(404)
    endpoint = (request.endpoint or "").rpartition(".")[2]
    if request.method == "HEAD" and endpoint in CODE_ENDPOINTS:
        raise MethodNotAllowed(["GET"])
    if request.method == "POST" and endpoint not in PROTOCOL_ENDPOINTS and pages.is_foreign_post():
        return pages.error_page(
            403, "That did not work", "This was sent from another site, so nothing was done."
        )
    return None


def _finish(response: Response) -> Response:
    if response.status_code < 500:
        notifications.flush()
    if (request.endpoint or "").endswith(".static") and response.status_code < 400:
        response.headers["Cache-Control"] = "public, max-age=3600"
    return pages.secure(response)


def _clean_up(error: BaseException | None) -> None:
    """Whatever was not committed on purpose is undone."""
    if has_session():
        session().rollback()
