"""The pages and endpoints, as one blueprint; every answer of it has the security headers."""

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from idprotect import pages
from idprotect.web import (
    account,
    authorize,
    cross_origin,
    device,
    digest,
    end_session,
    health,
    interaction,
    outbox,
    registration,
    report,
    sign_in,
    signal_sources,
    signals,
    simulation,
    tokens,
)

GET, POST = ["GET"], ["POST"]
BOTH = GET + POST

#: POSTed by applications and mail programs, not by browsers on behalf of a person: no form token, no check of the
#: origin.
PROTOCOL_ENDPOINTS = frozenset(
    {
        *("authorize", "push", "authorize_device", "token", "introspect", "revoke", "userinfo"),
        *("end_session", "register", "registered", "unsubscribe"),
        *(
            "ssf_stream",
            "ssf_status",
            "ssf_add_subject",
            "ssf_remove_subject",
            "ssf_verification",
            "ssf_poll",
            "receive_signal",
        ),
    }
)

#: Where a GET gives a code out or ends a sign-in, as the protocol wants it; a HEAD must change nothing: there is none.
CODE_ENDPOINTS = frozenset({"authorize", "resume", "end_session", "leave"})

#: path, endpoint, view, methods
ROUTES = (
    ("/authorize", "authorize", authorize.authorize, BOTH),
    ("/authorize/<pending_id>", "resume", authorize.resume, GET),
    ("/cancel/<pending_id>", "cancel", authorize.cancel, POST),
    ("/interaction/<pending_id>/<step>", "interaction", interaction.interaction, BOTH),
    ("/token", "token", tokens.token, POST),
    ("/par", "push", tokens.push, POST),
    ("/device-authorization", "authorize_device", tokens.authorize_device, POST),
    ("/device", "device", device.enter, GET),
    ("/device/confirm", "confirm_device", device.confirm, BOTH),
    ("/register", "register", registration.register, POST),
    ("/register/<client_id>", "registered", registration.registered, ["GET", "PUT", "DELETE"]),
    ("/userinfo", "userinfo", tokens.userinfo, BOTH),
    ("/introspect", "introspect", tokens.introspect, POST),
    ("/revoke", "revoke", tokens.revoke, POST),
    ("/end-session", "end_session", end_session.end_session, BOTH),
    ("/end-session/leave", "leave", end_session.leave, BOTH),
    ("/jwks", "jwks", tokens.jwks, GET),
    ("/.well-known/openid-configuration", "configuration", tokens.configuration, GET),
    ("/.well-known/oauth-authorization-server", "authorization_server", tokens.configuration, GET),
    ("/health", "health", health.live, GET),
    ("/health/ready", "ready", health.ready, GET),
    ("/metrics", "metrics", health.metrics, GET),
    ("/.well-known/ssf-configuration", "ssf_configuration", signals.configuration, GET),
    ("/ssf/stream", "ssf_stream", signals.stream, [*BOTH, "PATCH", "PUT", "DELETE"]),
    ("/ssf/status", "ssf_status", signals.status, BOTH),
    ("/ssf/subjects/add", "ssf_add_subject", signals.add_subject, POST),
    ("/ssf/subjects/remove", "ssf_remove_subject", signals.remove_subject, POST),
    ("/ssf/verification", "ssf_verification", signals.verification, POST),
    ("/ssf/poll", "ssf_poll", signals.poll, POST),
    ("/signals/<source_id>", "receive_signal", signal_sources.receive, POST),
    ("/account", "account", account.home, GET),
    ("/account/known", "known", account.known, BOTH),
    ("/account/terms/<name>/<version>", "accepted_terms", account.accepted_terms, GET),
    ("/account/password", "password", account.password, BOTH),
    ("/account/methods", "add_method", account.add_method, BOTH),
    ("/account/methods/<authenticator_id>/remove", "remove_method", account.remove_method, POST),
    ("/account/sign-ins/<sign_in_id>/end", "end_sign_in", account.end_sign_in, POST),
    ("/account/sign-ins/<sign_in_id>/report", "report_sign_in", report.report_sign_in, BOTH),
    ("/account/consents/<path:client_id>/revoke", "revoke_consent", account.revoke_consent, POST),
    ("/report/<token>", "report_by_link", report.report_by_link, BOTH),
    ("/digest/unsubscribe/<token>", "unsubscribe", digest.unsubscribe, BOTH),
    ("/sign-out", "sign_out", account.sign_out, BOTH),
    ("/outbox", "outbox", outbox.outbox, GET),
    ("/simulation", "simulation", simulation.simulation, GET),
    ("/simulation/remove", "remove_simulation", simulation.remove, POST),
    ("/simulation/<name>", "simulate", simulation.simulate, POST),
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
    pages.attach(blueprint)
    blueprint.before_request(_guard)
    blueprint.after_request(cross_origin.allow)
    return blueprint


def _guard() -> Response | None:
    """Refuse what is not asked for as it has to be."""
    endpoint = (request.endpoint or "").rpartition(".")[2]
    if request.method == "HEAD" and endpoint in CODE_ENDPOINTS:
        raise MethodNotAllowed(["GET"])
    if request.method == "POST" and endpoint not in PROTOCOL_ENDPOINTS and pages.is_foreign_post():
        return pages.refuse_foreign_post()
    return None
