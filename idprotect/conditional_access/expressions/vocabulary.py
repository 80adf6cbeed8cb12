"""What an expression can name: the facts of an access request, each of a kind."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from idprotect.conditional_access.facts import PLATFORMS, UNKNOWN, AccessRequest
from idprotect.risk.levels import RiskLevel


class Kind(StrEnum):
    """What a fact is, in the words of messages."""

    TRUTH = "true or false"
    LEVEL = "a level"
    COUNTRY = "a country"
    PLATFORM = "a platform"
    TEXT = "a text"
    TEXTS = "a set of texts"

    def read(self, text: str) -> Any:
        """Return the value that a text stands for beside a fact of this kind.

        :raises ValueError: with what is possible, when it stands for none.
        """
        if self is Kind.LEVEL:
            levels = {level.label: level for level in RiskLevel}
            if text not in levels:
                raise ValueError(f"{text!r} is not a level: {', '.join(levels)}")
            return levels[text]
        if self is Kind.COUNTRY and text != UNKNOWN and not re.fullmatch("[A-Z]{2}", text):
            raise ValueError(f"{text!r} is not a country: two capital letters, or {UNKNOWN}")
        if self is Kind.PLATFORM and text not in PLATFORMS:
            raise ValueError(f"{text!r} is not a platform: {', '.join(sorted(PLATFORMS))}")
        return text


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact.

    :param about: what it is, for people.
    :param read: takes it from an access request; None: nobody knows.
    """

    name: str
    kind: Kind
    about: str
    read: Callable[[AccessRequest], Any]


def _known(text: str | None) -> str | None:
    return None if text in ("", UNKNOWN) else text


_FACTS = (
    Fact("username", Kind.TEXT, "who signs in", lambda request: request.username),
    Fact("groups", Kind.TEXTS, "the groups of the user", lambda request: request.groups),
    Fact("roles", Kind.TEXTS, "the roles of the user", lambda request: request.roles),
    Fact("client_id", Kind.TEXT, "the application", lambda request: request.client_id),
    Fact("scopes", Kind.TEXTS, "what the application asks for", lambda request: request.scopes),
    Fact(
        "sign_in_risk",
        Kind.LEVEL,
        "how risky this sign-in is, or how its session was used since: the higher of both",
        lambda request: max(request.sign_in_risk, request.session_risk),
    ),
    Fact(
        "session_risk",
        Kind.LEVEL,
        "how the session was used since, alone",
        lambda request: request.session_risk,
    ),
    Fact("user_risk", Kind.LEVEL, "how risky the identity is", lambda request: request.user_risk),
    Fact("locations", Kind.TEXTS, "the named locations it comes from", lambda request: request.locations),
    Fact("country", Kind.COUNTRY, "the country it comes from", lambda request: _known(request.country)),
    Fact(
        "platform",
        Kind.PLATFORM,
        "what the browser says, unverified",
        lambda request: _known(request.platform),
    ),
    Fact(
        "known_device",
        Kind.TRUTH,
        "this user completed a sign-in in this browser before",
        lambda request: request.known_device,
    ),
    Fact("registered", Kind.TRUTH, "the user has a second factor", lambda request: request.registered),
    Fact("registering", Kind.TRUTH, "a second factor is being added", lambda request: request.registering),
    Fact(
        "temporary_password",
        Kind.TRUTH,
        "the password is a temporary one",
        lambda request: request.temporary_password,
    ),
)
#: Every fact by its name, which is that in a receipt and in a test.
FACTS: Mapping[str, Fact] = {fact.name: fact for fact in _FACTS}
