"""How our pages are rendered, which headers every answer has, and what is shown when something goes wrong."""

import logging
import secrets
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, abort, current_app, g, request
from jinja2 import Environment, Undefined
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.wrappers import Response as WerkzeugResponse

from idprotect import notifications
from idprotect.errors import (
    ConfigurationError,
    EvaluationError,
    IDProtectError,
    InteractionError,
    TooManyAttempts,
)
from idprotect.gate import new_reference
from idprotect.models import has_session, session
from idprotect.pendings import Pending
from idprotect.runtime import runtime, settings

log = logging.getLogger("idprotect.web")

#: On every answer that does not say otherwise.
SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    # no-referrer would make browsers send "Origin: null" with our forms, which then could not be checked.
    ("Referrer-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    ("Cache-Control", "no-store"),
)
LONGEST_QUERY = 8 * 1024
LONGEST_PATH = 1024
LARGEST_BODY = 64 * 1024


def template_folder() -> str:
    """Return where the templates are: inside the package once installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "templates"
    beside = package.parent / "templates"
    if not inside.is_dir() and (package.parent / "setup.cfg").is_file():
        return str(beside)
    return str(inside)


def render(template: str, **variables: Any) -> Response:
    """Render a page of ours."""
    limits = settings()
    brand = SimpleNamespace(
        name=limits.brand_name, logo_url=limits.brand_logo_url, accent=limits.brand_accent
    )
    context = {"brand": brand, "csp_nonce": nonce(), "contact": limits.contact, **variables}
    current_app.update_template_context(context)
    body = _templates().get_template(f"idprotect/{template}").render(context)
    return Response(body, mimetype="text/html")


def render_text(template: str, **variables: Any) -> str:
    """Render a text that is no page; nothing in it is escaped."""
    return _templates().get_template(f"idprotect/{template}").render(variables)


def _templates() -> Environment:
    """Return the application's templates; in ours a variable may be missing, however strict a host is with its own."""
    server = runtime()
    if server.templates is None:
        server.templates = current_app.jinja_env.overlay(undefined=Undefined)
    return server.templates


def error_page(status: int, title: str, message: str, reference: str | None = None) -> Response:
    """Render an error for a person: kind, and with nothing an attacker could use."""
    variables = {
        "status": status,
        "title": title,
        "message": message,
        "reference": reference,
        "return_url": None,
    }
    response = render("error.html", **variables)
    response.status_code = status
    return response


def nonce() -> str:
    """Return the nonce of this answer's content security policy."""
    if "idprotect_nonce" not in g:
        g.idprotect_nonce = secrets.token_urlsafe(16)
    value: str = g.idprotect_nonce
    return value


def allow_form_to(pending: Pending | None) -> None:
    """Let forms of this page end at the application.

    Chromium holds every redirect after a POST to ``form-action``, also those by which the application itself goes on
    to wherever its people are at home; so what is allowed is a kind of address, not one.
    """
    redirect_uri = (pending.payload or {}).get("redirect_uri") if pending is not None else None
    if redirect_uri:
        allow_form_to_uri(redirect_uri)


def allow_form_to_uri(uri: str) -> None:
    """Let forms of this page end at a URI of an application."""
    scheme = urlsplit(uri).scheme
    g.idprotect_form_action = "http: https:" if scheme == "http" else f"{scheme}:"


def secure(response: Response) -> Response:
    """Put the security headers on an answer of ours."""
    headers = response.headers
    if "Content-Security-Policy" in headers:
        return response  # the blueprint's answers come by here once more, as those of the application
    page = response.mimetype == "text/html"
    present = {name.lower() for name in headers.keys()}  # noqa: SIM118 (headers iterate as pairs)
    for name, value in (("Content-Security-Policy", _policy(page)), *SECURITY_HEADERS):
        if name.lower() not in present:
            headers.add(name, value)
    if page:
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    if settings().is_https:
        headers.setdefault("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
    return response


def _policy(page: bool) -> str:
    rules = ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "object-src 'none'"]
    if page:
        images = ["'self'"]
        if logo := settings().brand_logo_url:
            parts = urlsplit(logo)
            images += [f"{parts.scheme}://{parts.netloc}"] if parts.netloc else []
        rules += [
            f"style-src 'self' 'nonce-{nonce()}'",
            f"script-src 'nonce-{nonce()}'",
            f"img-src {' '.join(images)}",
            f"form-action 'self' {g.get('idprotect_form_action', '')}".strip(),
        ]
    else:
        rules.append("form-action 'none'")
    return "; ".join(rules)


def is_foreign() -> bool:
    """Whether a browser says that another site caused this request, or the redirect that it follows."""
    return request.headers.get("Sec-Fetch-Site") == "cross-site"


def is_foreign_post() -> bool:
    """Whether a browser says that this POST was caused by another site (a second lock beside the form's token)."""
    if is_foreign():
        return True
    origin = request.headers.get("Origin")
    parts = urlsplit(settings().issuer)
    return origin is not None and origin != f"{parts.scheme}://{parts.netloc}"


def attach(blueprint: Blueprint) -> None:
    """Give a blueprint of ours what all of them have: bounds, headers, error pages, a clean end of each request."""
    blueprint.before_request(_check_bounds)
    blueprint.after_request(_finish)
    blueprint.teardown_request(_clean_up)
    register_errors(blueprint)


def _check_bounds() -> None:
    """Turn away what no page or endpoint should have to think about."""
    request.max_content_length = LARGEST_BODY
    if len(request.query_string) > LONGEST_QUERY or len(request.path) > LONGEST_PATH:
        abort(414)
    if not request.query_string.decode("latin-1").isprintable() or not request.query_string.isascii():
        abort(400)  # RFC 3986 section 2: whatever is not printable ASCII comes percent-encoded
    if "\x00" in request.path or not request.path.isprintable():
        abort(404)


def _finish(response: Response) -> Response:
    if response.status_code < 500:
        notifications.flush()
    if (request.endpoint or "").endswith(".static") and response.status_code < 400:
        response.headers["Cache-Control"] = "public, max-age=3600"
    return secure(response)


def _clean_up(error: BaseException | None) -> None:
    """Whatever was not committed on purpose is undone."""
    if has_session():
        session().rollback()


def refuse_foreign_post() -> Response:
    """Answer a POST that another site caused."""
    return error_page(403, "That did not work", "This was sent from another site, so nothing was done.")


def register_errors(target: Any) -> None:
    """Handle the errors of the pages of a blueprint or an application."""
    target.register_error_handler(EvaluationError, _not_evaluated)
    target.register_error_handler(IDProtectError, _refused)
    target.register_error_handler(ConfigurationError, _unexpected)
    target.register_error_handler(OperationalError, _unavailable)
    target.register_error_handler(TimeoutError, _unavailable)
    target.register_error_handler(DBAPIError, _unexpected)
    if isinstance(target, Flask):
        target.register_error_handler(HTTPException, http_error)
        target.register_error_handler(Exception, _unexpected)


def register_errors_of_host(app: Flask) -> None:
    """Handle those of our errors that a page of a host application leaves to us; nobody is let in."""
    app.register_error_handler(EvaluationError, lambda error: secure(_not_evaluated(error)))
    app.register_error_handler(InteractionError, lambda error: secure(_refused(error)))


def _not_evaluated(error: EvaluationError) -> Response:
    session().rollback()
    response = error_page(
        503,
        "Please try again",
        "Your sign-in could not be checked just now, so nobody was let in. Please try again.",
    )
    response.headers["Retry-After"] = "5"
    return response


def _refused(error: IDProtectError) -> Response:
    session().rollback()
    response = error_page(400, "That did not work", str(error))
    if isinstance(error, TooManyAttempts):
        response.status_code = 429
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _unavailable(error: Exception) -> Response:
    log.error("the database does not answer: %s", type(error).__name__)
    session().rollback()
    response = error_page(
        503, "Please try again", "The server is busy. Nothing was changed. Please try again."
    )
    response.headers["Retry-After"] = "5"
    return response


def http_error(error: HTTPException) -> WerkzeugResponse:
    """Show an HTTP error as a page for people."""
    if error.response is not None:
        return cast(WerkzeugResponse, error.response)
    if isinstance(error, SecurityError):  # a Host that is not ours, under which no page has a URL
        return Response("This server is not called so.\n", error.code, mimetype="text/plain")
    titles = {404: "This page does not exist", 405: "This cannot be done here", 413: "That was too much"}
    title = titles.get(error.code or 500, "That did not work")
    response = error_page(error.code or 500, title, "Please go back to your application and try again.")
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    """The last resort: a reference for the person, the trace for the log, nothing else for anybody."""
    reference = new_reference()
    log.exception("unexpected error, reference %s", reference, exc_info=error)
    session().rollback()
    return error_page(
        500, "Something went wrong", "It is our fault, and it was noted. Please try again.", reference
    )
