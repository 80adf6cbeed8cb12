"""Plain words for what the protocol says in codes: errors, claims, methods, times."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Explanation:
    """What an error means to the person who sees it, and what may be done."""

    title: str
    meaning: str
    advice: str
    status: int = 400


ERRORS = {
    "access_denied": Explanation(
        "Access was not granted",
        "The sign-in service recognised the request but did not let it through. Either somebody chose not to "
        "go on, or a rule of the service stopped this sign-in.",
        "If the service showed a reference number, its administrator can find the sign-in by it.",
    ),
    "login_required": Explanation(
        "You are not signed in at the service",
        "We asked for a sign-in without showing any page (prompt=none). That works only for somebody who is "
        "signed in at the sign-in service already.",
        "Sign in the usual way, then try this again.",
    ),
    "interaction_required": Explanation(
        "The service needs to ask you something",
        "We asked for a sign-in without showing any page (prompt=none), but something has to be shown first: "
        "a notice, a second factor, a new password.",
        "Sign in the usual way and the service will ask.",
    ),
    "consent_required": Explanation(
        "Your consent is missing",
        "We asked for a sign-in without showing any page (prompt=none), but you have not agreed yet that "
        "this application may see your profile.",
        "Sign in the usual way and the service will ask.",
    ),
    "account_selection_required": Explanation(
        "Which account?",
        "The service would have to ask which account to use, and was told to ask nothing (prompt=none).",
        "Sign in the usual way.",
    ),
    "temporarily_unavailable": Explanation(
        "The sign-in service cannot answer just now",
        "It is overloaded, under maintenance, or could not judge this sign-in. In doubt it lets nobody in.",
        "Wait a moment and try again.",
        503,
    ),
    "server_error": Explanation(
        "The sign-in service had a problem",
        "Something unexpected went wrong there, and nothing was issued.",
        "Try again; if it stays, tell the administrator of the sign-in service.",
        502,
    ),
    "unmet_authentication_requirements": Explanation(
        "The sign-in was not strong enough",
        "We asked for a stronger way of signing in than this account can offer.",
        "Add a second factor at the sign-in service, then try again.",
    ),
    "invalid_scope": Explanation(
        "We asked for too much",
        "This application asked for information that it is not registered for.",
        "Compare the scopes of the registered client with those that the application asks for.",
    ),
    "unauthorized_client": Explanation(
        "The service does not accept this application",
        "It is not registered for this way of signing in.",
        "Look at the client's registration at the sign-in service.",
    ),
    "invalid_client": Explanation(
        "The service does not know this application",
        "The client id or the client secret is wrong.",
        "Compare DEMO_CLIENT_ID and the secret with the registration.",
    ),
    "invalid_request": Explanation(
        "The service did not understand the request",
        "Something in the request was missing, repeated or malformed.",
        "Try again from the start.",
    ),
    "invalid_grant": Explanation(
        "The service no longer honours this",
        "The code or refresh token has expired, was used before, or was withdrawn: because you signed out, "
        "changed your password, or your account is thought to be at risk.",
        "Sign in again. If there is something to settle, the service will tell you then.",
    ),
    "invalid_token": Explanation(
        "The access token is not accepted any more",
        "It has expired or was withdrawn.",
        "Refresh the tokens, or sign in again.",
    ),
    "state_mismatch": Explanation(
        "We did not expect this answer",
        "It does not belong to a sign-in that this browser has under way. It may have been used already (the "
        "back button, a reload), have taken too long, have begun in another browser, or your browser "
        "refuses cookies. An attacker's link looks like this, too: nobody was signed in.",
        "Start again from here.",
    ),
    "issuer_mismatch": Explanation(
        "The answer came from somewhere else",
        "It does not carry the name of our sign-in service (the “iss” parameter of RFC 9207), so the code in "
        "it was not used.",
        "Start again from here.",
    ),
    "wrong_provider": Explanation(
        "That is not our sign-in service",
        "The service at the configured address gives itself another name.",
        "DEMO_ISSUER must be exactly the provider's issuer.",
        502,
    ),
    "repeated_parameter": Explanation(
        "We did not understand this answer",
        "One of its parameters came twice, and nobody can tell which one is meant.",
        "Start again from here.",
    ),
    "invalid_response": Explanation(
        "We do not trust this answer",
        "The sign-in service's answer is incomplete or does not pass our checks, so nobody was signed in.",
        "Try again; if it stays, something is configured wrongly.",
        502,
    ),
    "not_fresh": Explanation(
        "That sign-in is too old",
        "We asked for a fresh sign-in, and the service's answer tells of an earlier one.",
        "Try again.",
    ),
    "no_refresh_token": Explanation(
        "There is no refresh token",
        "The service gave none, or has withdrawn it, so the tokens cannot be renewed.",
        "Sign in again.",
    ),
    "provider_unreachable": Explanation(
        "The sign-in service does not answer",
        "We could not reach it. If the demonstration has only just been started, it may need a few seconds.",
        "Wait a moment and try again.",
        503,
    ),
    "provider_failed": Explanation(
        "The sign-in service had a problem",
        "It answered, but not with what we asked for.",
        "Wait a moment and try again.",
        502,
    ),
    "old_page": Explanation(
        "This page was out of date",
        "You have signed in or out since it was opened, so we did nothing.",
        "Go back to the start.",
    ),
    "not_found": Explanation(
        "There is no such page", "The address leads nowhere.", "Go back to the start.", 404
    ),
    "bad_request": Explanation(
        "That did not work", "We do not understand this request.", "Go back to the start."
    ),
    "broken": Explanation(
        "Something went wrong on our side",
        "That is a fault of Northwind Notes, not of your sign-in.",
        "Go back to the start.",
        500,
    ),
}

UNKNOWN = Explanation(
    "The sign-in did not work out",
    "The sign-in service answered with an error that this application does not know.",
    "Try again from the start.",
)

CLAIMS = {
    "iss": "Issuer: the sign-in service that vouches for all this. Checked against the one we know.",
    "sub": "Subject: who you are at that service. It never changes, so this is what we store, not your name.",
    "acr": "How strong the sign-in was, as a class.",
    "amr": "What really happened: the methods by which you proved that it is you.",
    "auth_time": "When you last proved it; earlier than your sign-in here if the service knew you already.",
    "aud": "Audience: the application that this statement is meant for. Us, or we would refuse it.",
    "azp": "The application that asked for it.",
    "exp": "Until when this statement may be accepted. It does not end your stay here.",
    "iat": "When this statement was made.",
    "nonce": "The random value that we sent along: the statement answers our question, it is no replay.",
    "at_hash": "Ties the access token to this statement.",
    "sid": "Your session at the service; it names the session when the service signs you out everywhere.",
    "risk_level": "How likely the service thinks that somebody else has your account; told to few applications.",
    "name": "Your name, because you let us know it (scope profile).",
    "given_name": "Your first name (scope profile).",
    "family_name": "Your family name (scope profile).",
    "preferred_username": "What you like to be called (scope profile); it may change, unlike sub.",
    "email": "Your address (scope email).",
    "email_verified": "Whether the service has checked the address.",
    "locale": "Your language.",
    "updated_at": "When your profile last changed.",
    "jti": "The number of this statement.",
}
FIRST_CLAIMS = ("iss", "sub", "acr", "amr", "auth_time")
STRENGTH = ("acr", "amr", "auth_time")
TIMES = {"auth_time", "exp", "iat", "updated_at"}

ACR = {
    "aal1": "one factor, such as a password",
    "aal2": "two factors of different kinds",
    "aal3": "two factors, one of them a hardware key that cannot be phished",
    "0": "no more than a long-lived cookie",
}
AMR = {
    "pwd": "the password",
    "otp": "a one-time code from an authenticator app",
    "sms": "a code by text message",
    "mfa": "several factors",
    "mca": "several channels",
    "hwk": "a hardware key",
    "swk": "a key kept in software, such as a passkey",
    "pop": "proof that you hold a key",
    "user": "presence confirmed",
    "pin": "a PIN",
    "fpt": "a fingerprint",
    "face": "face recognition",
    "kba": "a recovery answer or code",
    "rba": "risk was judged",
    "tel": "a phone call",
}


def explain(code: str) -> Explanation:
    """Return the explanation of an error code, whoever made it up."""
    return ERRORS.get(code, UNKNOWN)


def presentable(code: str) -> str:
    """Return a code that looks like one, or nothing: the page is no billboard for whoever wrote the link."""
    return code if re.fullmatch(r"[a-z][a-z_]{2,59}", code) else ""


def claims_in_words(claims: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, value and meaning of each claim, the ones that matter first."""
    names = [*(n for n in FIRST_CLAIMS if n in claims), *(n for n in claims if n not in FIRST_CLAIMS)]
    return [(name, _value(name, claims[name]), _meaning(name, claims[name])) for name in names]


def strength(claims: Mapping[str, Any]) -> dict[str, str]:
    """Return what is told of how strong a sign-in is, by claim."""
    return {name: _value(name, claims[name]) if name in claims else "not told" for name in STRENGTH}


def moment(seconds: float) -> str:
    """Return a time and how far it is from now."""
    try:
        then = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return str(seconds)
    return f"{then:%-d %B %Y, %H:%M:%S} UTC ({_distance(seconds - time.time())})"


def _distance(seconds: float) -> str:
    amount, unit = abs(seconds), "second"
    for size, larger in ((60, "minute"), (60, "hour"), (24, "day")):
        if amount < size:
            break
        amount, unit = amount / size, larger
    number = round(amount)
    if unit == "second" and number < 3:
        return "just now"
    words = f"{number} {unit}{'' if number == 1 else 's'}"
    return f"in {words}" if seconds > 0 else f"{words} ago"


def _value(name: str, value: Any) -> str:
    if name in TIMES and isinstance(value, int | float):
        return moment(value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def _meaning(name: str, value: Any) -> str:
    meaning = CLAIMS.get(name, "")
    if name == "acr" and isinstance(value, str) and value in ACR:
        return f"{meaning} {value} means {ACR[value]}."
    if name == "amr" and isinstance(value, list):
        known = [
            f"{method} is {AMR[method]}" for method in value if isinstance(method, str) and method in AMR
        ]
        return f"{meaning} Here {', '.join(known)}." if known else meaning
    return meaning
