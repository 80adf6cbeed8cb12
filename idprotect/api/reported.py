"""What a client says of a finding, in the body of its request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idprotect.api.schemas import Body, Choice, Member, Several, Text
from idprotect.risk import About, RiskLevel

LEVELS = {level.label: level for level in RiskLevel if level}
ABOUT = {str(about): about for about in About}


def _problems_together(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    problems = []
    if ("sub" in value) is ("username" in value):
        problems.append(("", "exactly one of sub and username names the user"))
    if value.get("about") == About.SIGN_IN and "sign_in" not in value:
        problems.append(("/sign_in", "is missing: the finding is about a sign-in"))
    return problems


BODY = Body(
    {
        "id": Member(Text(128), "Yours; the same one again is the same finding.", required=True),
        "level": Member(Choice(list(LEVELS)), required=True),
        "title": Member(Text(200), "What was found, for the administrator.", required=True),
        "sub": Member(Text(32), "The user: this or username."),
        "username": Member(Text(256)),
        "about": Member(Choice(list(ABOUT)), "user when it is left out."),
        "sign_in": Member(Text(64), "Id or reference number of a sign-in of the user."),
        "source": Member(Text(64), "Who found it; your name when it is left out."),
        "reasons": Member(Several(Text(500), 10)),
    },
    _problems_together,
)
TEXTS = ("id", "title", "sub", "username", "sign_in", "source")


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


def read(body: Mapping[str, Any]) -> Reported:
    """Return what was reported by a body that is as it has to be."""
    given = {name: body[name] for name in TEXTS if name in body}
    about = ABOUT[body.get("about", str(About.USER))]
    return Reported(**given, level=LEVELS[body["level"]], about=about, reasons=tuple(body.get("reasons", ())))
