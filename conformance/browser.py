"""What the suite's browser does on idprotect's pages, in the form of a plan's ``browser`` section.

A page that somebody should see for certification is kept in the module's log in place of a screenshot.
"""

from __future__ import annotations

from typing import Any

from idprotect.cli.conformance import USERNAME

Task = dict[str, Any]
Script = dict[str, Any]

PATIENCE = 10
#: What the suite's own page says once it has read what came in the URL.
SEEN = ["wait", "id", "submission_complete", PATIENCE]


def keep(text: str, *, if_wanted: bool = False) -> list[Any]:
    """Keep the page, which has to say something (a regular expression), for whoever reviews the module."""
    action = "update-image-placeholder-optional" if if_wanted else "update-image-placeholder"
    return ["wait", "xpath", "//body", PATIENCE, text, action]


def press(button: str, *optional: str) -> list[str]:
    return ["click", "xpath", f"//button[normalize-space()='{button}']", *optional]


def sign_in(password: str, *, kept: bool = False) -> Task:
    filled = [["text", "name", "username", USERNAME], ["text", "name", "password", password]]
    seen = [keep("Sign in", if_wanted=True)] if kept else []
    return {
        "task": "Sign in",
        "optional": True,
        "match": "*/sign-in/*",
        "commands": [*seen, *filled, press("Sign in")],
    }


CONSENT: Task = {
    "task": "Allow",
    "optional": True,
    "match": "*/interaction/*/consent",
    "commands": [press("Allow")],
}
CANCEL: Task = {
    "task": "Cancel",
    "match": "*/sign-in/*",
    "commands": [["click", "css", "nav.leave button"]],
}
LOOK: Task = {"task": "Look at the page, and leave", "match": "*/sign-in/*"}
#: By form_post the page that posts the answer stands between, for a moment.
RETURN: Task = {
    "task": "Return to the application",
    "commands": [["wait", "contains", "/callback", PATIENCE], SEEN],
}


def page(text: str, match: str = "*") -> Task:
    """Expect the way to end on a page that says something."""
    return {"task": f"See: {text}", "match": match, "commands": [keep(text)]}


def authorize(issuer: str, *tasks: Task) -> Script:
    return {"match": f"{issuer}/authorize*", "tasks": list(tasks)}


def once(script: Script) -> Script:
    """Do this the first time only; the next script is for the times after that."""
    return {**script, "match-limit": 1}


def end_session(issuer: str, *tasks: Task) -> Script:
    return {"match": f"{issuer}/end-session*", "tasks": list(tasks)}


SIGN_OUT: Task = {
    "task": "Sign out",
    "match": "*/end-session/leave*",
    "commands": [press("Sign out", "optional")],
}
SIGNED_OUT: Task = {
    "task": "Return to the application",
    "match": "*/post_logout_redirect*",
}


def scripts(issuer: str, password: str) -> list[Script]:
    """What is done in any module that needs nothing else."""
    return [
        authorize(issuer, sign_in(password), CONSENT, RETURN),
        end_session(issuer, SIGNED_OUT),
    ]


def overrides(issuer: str, password: str) -> dict[str, Any]:
    """What is done in the modules that end elsewhere, or of which a page is wanted."""
    way_in = authorize(issuer, sign_in(password), CONSENT, RETURN)
    seen_again = [authorize(issuer, sign_in(password, kept=True), CONSENT, RETURN)]
    bad_request = [authorize(issuer, page("The application sent a request that is not valid"))]
    bad_sign_out = [way_in, end_session(issuer, page("You were not signed out"))]
    signed_out = [way_in, end_session(issuer, SIGN_OUT, page("You are signed out"))]
    logout, fapi = "oidcc-rp-initiated-logout", "fapi2-security-profile-final"
    wanted = {
        "oidcc-prompt-login": seen_again,
        "oidcc-max-age-1": seen_again,
        "oidcc-ensure-registered-redirect-uri": bad_request,
        "oidcc-ensure-redirect-uri-in-authorization-request": bad_request,
        "oidcc-redirect-uri-query-added": bad_request,
        "oidcc-redirect-uri-query-mismatch": bad_request,
        "oidcc-registration-logo-uri": [authorize(issuer, page("Sign in"))],
        "oidcc-registration-policy-uri": [authorize(issuer, sign_in(password), page("privacy policy"))],
        "oidcc-registration-tos-uri": [authorize(issuer, sign_in(password), page("terms of service"))],
        f"{logout}-bad-post-logout-redirect-uri": bad_sign_out,
        f"{logout}-query-added-to-post-logout-redirect-uri": bad_sign_out,
        f"{logout}-modified-id-token-hint": bad_sign_out,
        f"{logout}-bad-id-token-hint": bad_sign_out,
        f"{logout}-no-id-token-hint": [way_in, end_session(issuer, page("Sign out"))],
        f"{logout}-no-params": signed_out,
        f"{logout}-only-state": signed_out,
        f"{logout}-no-post-logout-redirect-uri": signed_out,
        f"{fapi}-user-rejects-authentication": [authorize(issuer, CANCEL, RETURN)],
        f"{fapi}-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds": [
            once(authorize(issuer, LOOK)),
            *bad_request,
        ],
        f"{fapi}-par-attempt-reuse-request_uri": [once(way_in), *bad_request],
        f"{fapi}-par-attempt-to-use-expired-request_uri": bad_request,
        f"{fapi}-par-attempt-to-use-request_uri-for-different-client": bad_request,
    }
    return {module: {"browser": scripts} for module, scripts in wanted.items()}
