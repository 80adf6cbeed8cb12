"""The pages: home, the journey to the provider and back, and what a signed-in person sees."""

import hmac
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, session, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from .provider import Attempt, Refused, SignedIn
from .visitors import browser, current, forget, northwind, remember, was_ended
from .words import FIRST_CLAIMS, claims_in_words, explain, moment, presentable, strength

ATTEMPT_SECONDS = 3600
#: What a sign-in has to be before the payroll note is shown.
STRONG = "aal2"
#: Unfinished journeys that one browser may have; Authlib marks each in the cookie, which has 4 KB.
ATTEMPTS_PER_BROWSER = 8

#: The journeys a visitor may start, by the name in their address.
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "login": {"prompt": "login"},
    "none": {"prompt": "none"},
    "max-age": {"max_age": 60},
    "consent": {"prompt": "consent"},
    "step-up": {"acr_values": STRONG},
}

blueprint = Blueprint("northwind", __name__)


@dataclass(frozen=True)
class Notice:
    """The outcome of a button, shown once."""

    title: str
    text: str
    facts: list[tuple[str, str]]
    is_good: bool = True


@blueprint.before_app_request
def stay_at_one_address() -> Response | None:
    """Send a visitor of another name of this machine to the registered one: cookies go by name."""
    base_url = northwind().settings.base_url
    if request.host == urlsplit(base_url).netloc:
        return None
    if request.method not in {"GET", "HEAD"}:
        abort(400)
    return redirect(base_url + request.full_path.rstrip("?"))


@blueprint.after_app_request
def add_headers(response: Response) -> Response:
    """Let pages load from here only and be remembered by nobody; a form may lead on to the provider."""
    issuer = northwind().settings.issuer_origin
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {issuer}"
    )
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.app_context_processor
def add_to_templates() -> dict[str, Any]:
    """Give every template the settings, the visitor and the token of the forms."""
    return {"settings": northwind().settings, "signed_in": current(), "csrf_token": session.get("csrf", "")}


@blueprint.get("/")
def home() -> str:
    """Show the product, and how to try the sign-in."""
    return render_template("home.html")


@blueprint.get("/sign-in", defaults={"kind": "plain"})
@blueprint.get("/sign-in/<kind>")
def sign_in(kind: str) -> Response:
    """Send the browser to the provider."""
    if kind not in KINDS:
        abort(404)
    g.kind = kind
    parameters = dict(KINDS[kind])
    if request.args.get("as") in {person.username for person in northwind().settings.people}:
        parameters["login_hint"] = request.args["as"]
    _forget_oldest_attempts()
    state = secrets.token_urlsafe(24)
    response = northwind().provider.ask(_address("callback"), state, parameters)
    northwind().attempts.set(state, Attempt(kind, browser(), parameters), ATTEMPT_SECONDS)
    return response


@blueprint.get("/callback")
def callback() -> Response:
    """Take the provider's answer: it counts once, in the browser that asked, from the issuer we know."""
    answer = _single(request.args)
    attempt: Attempt | None = northwind().attempts.pop(answer.get("state", ""))
    if attempt is None or attempt.browser != browser():
        raise Refused("state_mismatch")
    g.kind = attempt.kind
    northwind().provider.check_issuer(answer.get("iss"))
    if "error" in answer:
        raise Refused(answer["error"], answer.get("error_description", ""))
    if not answer.get("code"):
        raise Refused("invalid_response", "There is neither a code nor an error.")
    signed_in = northwind().provider.redeem(attempt)
    _add_profile(signed_in)
    earlier = current()
    if earlier is not None and earlier.claims["sub"] == signed_in.claims["sub"]:
        signed_in.before = earlier.claims
    remember(signed_in)
    return redirect(_address("payroll" if attempt.kind == "step-up" else "notes"), 303)


@blueprint.get("/notes")
def notes() -> str | Response:
    """Show the person's notes, and what the provider told about the sign-in."""
    signed_in = current()
    if signed_in is None:
        return _to_the_door()
    return render_template(
        "notes.html",
        claims=claims_in_words(signed_in.claims),
        main_claims=sum(name in signed_in.claims for name in FIRST_CLAIMS),
        expires=moment(signed_in.tokens["expires_at"]) if "expires_at" in signed_in.tokens else None,
        has_sign_out=northwind().provider.has_sign_out and "id_token" in signed_in.tokens,
        notice=northwind().people.pop(f"notice:{session['person']}"),
    )


@blueprint.get("/notes/payroll")
def payroll() -> str | Response:
    """Show a note that a password alone does not open; ask the provider for more where it is needed (RFC 9470)."""
    signed_in = current()
    if signed_in is None:
        return _to_the_door()
    if signed_in.claims.get("acr") != STRONG:
        return redirect(_address("sign_in", kind="step-up"), 303)
    before = strength(signed_in.before) if signed_in.before else None
    return render_template("payroll.html", before=before, now=strength(signed_in.claims))


@blueprint.post("/notes/userinfo")
def userinfo() -> Response:
    """Call the userinfo endpoint with the access token."""
    signed_in = _check_form()
    try:
        profile = northwind().provider.userinfo(signed_in)
    except Refused as refused:
        return _tell(_bad_news("The userinfo endpoint refused", refused))
    facts = [(name, value) for name, value, _ in claims_in_words(profile)]
    return _tell(
        Notice("The userinfo endpoint answered", "It was asked just now, with the access token.", facts)
    )


@blueprint.post("/notes/refresh")
def refresh() -> Response:
    """Exchange the refresh token for new tokens; the provider judges the person afresh."""
    signed_in = _check_form()
    try:
        with signed_in.lock:
            is_rotated = northwind().provider.refresh(signed_in)
    except Refused as refused:
        if refused.code == "invalid_grant":
            signed_in.tokens.pop("refresh_token", None)
            signed_in.is_ended = True
        return _tell(_bad_news("The tokens were not renewed", refused))
    rotation = "replaced by a new one; the old one is spent" if is_rotated else "still the same"
    facts = [("refresh token", rotation)]
    if "expires_at" in signed_in.tokens:
        facts.insert(0, ("access token expires", moment(signed_in.tokens["expires_at"])))
    return _tell(
        Notice("The tokens were renewed", "The service looked at your sign-in again: all is well.", facts)
    )


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """Forget the person here; the provider's session goes on."""
    _check_form()
    forget()
    return redirect(_address("signed_out"), 303)


@blueprint.post("/sign-out/everywhere")
def sign_out_everywhere() -> Response:
    """Forget the person here, and go and sign out at the provider."""
    signed_in = _check_form()
    forget()
    response = northwind().provider.sign_out(signed_in, _address("signed_out"))
    response.status_code = 303
    return response


@blueprint.get("/signed-out")
def signed_out() -> str:
    """Say goodbye; the provider's answer to a sign-out comes here too."""
    return render_template(
        "signed_out.html", at_provider=northwind().provider.has_signed_out(), by_provider=was_ended()
    )


@blueprint.app_errorhandler(Refused)
def refused(error: Refused) -> tuple[str, int]:
    """Say in plain words what the code means."""
    current_app.logger.info("sign-in refused: %s", presentable(error.code) or "(not a code)")
    explanation = explain(error.code)
    # Whoever writes a link writes its parameters: words are repeated only if they came in an expected answer.
    is_expected = error.code not in {"state_mismatch", "issuer_mismatch", "repeated_parameter"}
    page = render_template(
        "error.html",
        code=presentable(error.code),
        explanation=explanation,
        description=error.description[:300] if is_expected else "",
        again=_again(error.code),
    )
    return page, explanation.status


@blueprint.app_errorhandler(HTTPException)
def http_error(error: HTTPException) -> tuple[str, int] | Response:
    """Show our own page for what Flask refuses, and for what breaks."""
    status = error.code or 500
    if status < 400:
        return error.get_response()
    code = {404: "not_found", 500: "broken"}.get(status, "bad_request")
    return render_template(
        "error.html", code="", explanation=explain(code), description="", again=None
    ), status


def _check_form() -> SignedIn:
    """Return who is signed in, if the form came from our page (CSRF)."""
    signed_in = current()
    sent = request.form.get("csrf_token", "").encode()
    if signed_in is None or not hmac.compare_digest(sent, session["csrf"].encode()):
        raise Refused("old_page")
    return signed_in


def _single(args: MultiDict[str, str]) -> dict[str, str]:
    """Return the parameters, none of which may come twice (RFC 6749 section 3.1)."""
    if any(len(values) > 1 for values in args.listvalues()):
        raise Refused("repeated_parameter")
    return args.to_dict()


def _forget_oldest_attempts() -> None:
    marks = [key for key in session if key.startswith("_state_northwind_")]
    marks.sort(key=lambda key: session[key].get("exp", 0))
    for mark in marks[: -(ATTEMPTS_PER_BROWSER - 1)]:
        session.pop(mark)


def _add_profile(signed_in: SignedIn) -> None:
    """Fetch the name to greet the person by; without it there is still a person."""
    try:
        signed_in.profile = northwind().provider.userinfo(signed_in)
    except Refused:
        signed_in.profile = {}


def _to_the_door() -> Response:
    """Send away whoever is not signed in; somebody whom the provider signed out is told."""
    return redirect(_address("signed_out" if was_ended() else "home"), 303)


def _tell(notice: Notice) -> Response:
    northwind().people.set(f"notice:{session['person']}", notice, ATTEMPT_SECONDS)
    return redirect(_address("notes", _anchor="notice"), 303)


def _bad_news(title: str, refused: Refused) -> Notice:
    explanation = explain(refused.code)
    facts = [("error", presentable(refused.code)), ("description", refused.description[:300])]
    return Notice(
        title, f"{explanation.meaning} {explanation.advice}", [f for f in facts if f[1]], is_good=False
    )


def _again(code: str) -> tuple[str, str] | None:
    """Return address and words of the button that goes on from an error."""
    if code == "old_page":
        return None
    kind = g.get("kind", "plain")
    if kind == "none":
        return _address("sign_in"), "Sign in the usual way"
    return _address("sign_in", kind=kind), "Try again"


def _address(endpoint: str, **values: Any) -> str:
    """Return a full address at the registered name, whatever the request's `Host` said."""
    return northwind().settings.base_url + url_for(f"northwind.{endpoint}", **values)
