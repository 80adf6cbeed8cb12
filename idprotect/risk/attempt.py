"""One attempt to use an account, in the words that the model understands: who, when, from where, with what."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from idprotect.risk.network import Location, Network


def in_words(name: str) -> str:
    """Return the name of a browser for people: "Chrome on Windows"; a program has no system."""
    return " on ".join(filter(None, name.split("/")))


class Kind(StrEnum):
    """What was presented: a password, or the cookie of a sign-in that was made before."""

    PASSWORD = "password"  # noqa: S105 (a word, not a secret)
    SESSION = "session"


class Result(StrEnum):
    """What came of an attempt."""

    FAILURE = "failure"
    SUCCESS = "success"
    CHALLENGE_PASSED = "challenge_passed"
    CHALLENGE_FAILED = "challenge_failed"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Browser:
    """What the browser says it is (a claim; copied by every attacker who cares).

    :param exact: a fingerprint of the whole User-Agent header.
    :param family: such as ``Chrome Mobile``.
    :param version: major version; None when there is none.
    :param system: operating system, such as ``Android``.
    :param kind: ``desktop``, ``mobile``, ``tablet``, ``tool`` (a program without a person) or ``unknown``.
    :param hints: it sends client hints (``Sec-CH-UA-…``) when asked, as browsers built on Chromium 89 or later do.
    """

    exact: str = ""
    family: str = ""
    version: int | None = None
    system: str = ""
    kind: str = "unknown"
    hints: bool = False

    @property
    def name(self) -> str:
        """Browser and system without versions, which change every few weeks."""
        return f"{self.family}/{self.system}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known at the moment of judging.

    :param at: seconds since 1970, by the clock of whoever judges.
    :param user: opaque id; None when there is no such account.
    :param site, block: pseudonyms of the network's address and neighbourhood, the form in which they are remembered.
    :param platform_version, model: client hints; None when not sent.
    :param device: id of the device cookie that the server once gave this browser; None when it has none.
    :param session: id of the session whose cookie was presented.
    :param round_trip_ms: time of one round trip on the network; None when not measured.
    :param password_ok: None for a session.
    :param unlocated: why the address that is seen is not judged by; *network* is None then.
    """

    at: float
    kind: Kind
    user: str | None
    network: Network | None
    browser: Browser
    site: str = ""
    block: str = ""
    platform_version: str | None = None
    model: str | None = None
    device: str | None = None
    session: str | None = None
    round_trip_ms: float | None = None
    password_ok: bool | None = None
    unlocated: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the form in which it is stored."""
        # By hand: dataclasses.asdict copies everything deeply, which each sign-in would pay for.
        return _values(self) | {
            "browser": _values(self.browser),
            "network": _values(self.network) | {"location": self._location()} if self.network else None,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Attempt":
        """Make an attempt from its stored form."""
        network = dict(stored["network"]) if stored["network"] else None
        if network is not None and network["location"] is not None:
            network["location"] = Location(**network["location"])
        known = {"kind": Kind(stored["kind"]), "browser": Browser(**stored["browser"])}
        return cls(**{**stored, **known, "network": Network(**network) if network is not None else None})

    def _location(self) -> dict[str, Any] | None:
        return _values(self.network.location) if self.network and self.network.location else None

    @property
    def country(self) -> str | None:
        """Where the address is."""
        return self.network.location.country if self.network and self.network.location else None

    @property
    def place(self) -> str | None:
        """City and provider together: what changes when somebody is really elsewhere."""
        if self.network is None or self.network.location is None or self.network.location.city is None:
            return None
        return f"{self.network.location.city}/{self.network.asn}"


_NAMES = {kind: [field.name for field in fields(kind)] for kind in (Attempt, Browser, Network, Location)}


def _values(of: Any) -> dict[str, Any]:
    return {name: getattr(of, name) for name in _NAMES[type(of)]}
