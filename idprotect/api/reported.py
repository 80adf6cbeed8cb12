"""What a client says of a finding, read from the body of its request; every problem is told at once."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Request

from idprotect.api.problems import Problem
from idprotect.risk import About, RiskLevel

#: Members that are text, and their greatest lengths.
TEXTS = {"id": 128, "sub": 32, "username": 256, "sign_in": 64, "source": 64, "title": 200}
REQUIRED = ("id", "level", "title")
MEMBERS = frozenset({*TEXTS, "level", "about", "reasons"})
LEVELS = {level.label: level for level in RiskLevel if level}
ABOUT = {str(about): about for about in About}
MOST_REASONS, LONGEST_REASON = 10, 500


@dataclass(frozen=True, slots=True)
class Reported:
    """A finding as it was reported.

    :param id: the client's own; the same one again is the same finding.
    :param sign_in: id or reference number of a sign-in of the user.
    """

    id: str
    level: RiskLevel
    title: str
    about: About = About.USER
    sub: str | None = None
    username: str | None = None
    sign_in: str | None = None
    source: str | None = None
    reasons: tuple[str, ...] = ()


def read(request: Request) -> Reported:
    """Return what was reported; raise Problem with everything that is wrong with it."""
    body = _json(request)
    errors = [(f"/{_escaped(name)}", "is not known") for name in body.keys() - MEMBERS]
    errors += [(f"/{name}", "is missing") for name in REQUIRED if name not in body]
    errors += [(f"/{name}", why) for name, value in body.items() if (why := _problem(name, value))]
    if ("sub" in body) is ("username" in body):
        errors.append(("", "exactly one of sub and username names the user"))
    if body.get("about") == About.SIGN_IN and "sign_in" not in body:
        errors.append(("/sign_in", "is missing: the finding is about a sign-in"))
    if errors:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The finding is not valid.", errors=sorted(errors))
    given = {name: body[name] for name in TEXTS if name in body}
    about = ABOUT[body.get("about", str(About.USER))]
    reasons = tuple(body.get("reasons", ()))
    return Reported(**given, level=LEVELS[body["level"]], about=about, reasons=reasons)


def _json(request: Request) -> dict[str, Any]:
    if request.mimetype != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json.")
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        raise Problem(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise Problem(HTTPStatus.BAD_REQUEST, "The body must be a JSON object.")
    return body


def _problem(name: str, value: Any) -> str | None:
    """Return what is wrong with a member, None when nothing is."""
    if name in TEXTS:
        return _text_problem(value, TEXTS[name])
    if name == "level":
        return _choice_problem(value, list(LEVELS))
    if name == "about":
        return _choice_problem(value, list(ABOUT))
    return _reasons_problem(value) if name == "reasons" else None


def _choice_problem(value: Any, choices: list[str]) -> str | None:
    return None if isinstance(value, str) and value in choices else f"must be one of {', '.join(choices)}"


def _text_problem(value: Any, longest: int) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return "must be text"
    if len(value) > longest:
        return f"has more than {longest} characters"
    return None if value.isprintable() else "has characters that cannot be shown"


def _reasons_problem(value: Any) -> str | None:
    if not isinstance(value, list) or len(value) > MOST_REASONS:
        return f"must be a list of at most {MOST_REASONS} texts"
    return next((f"a reason {why}" for text in value if (why := _text_problem(text, LONGEST_REASON))), None)


def _escaped(name: str) -> str:
    """Return a member's name in a JSON pointer (RFC 6901), not longer than needed to find it."""
    return name[:64].encode("ascii", "backslashreplace").decode().replace("~", "~0").replace("/", "~1")
