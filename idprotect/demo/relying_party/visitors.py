"""What one application keeps: who is signed in here, by which browser, and how a stay ends."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import current_app, session

from .memory import Memory
from .provider import Provider, SignedIn
from .settings import Settings
from .signals import Signals

STAY_SECONDS = 12 * 3600


@dataclass(frozen=True)
class Northwind:
    """What one application has and another does not."""

    settings: Settings
    provider: Provider
    signals: Signals
    attempts: Memory = field(default_factory=Memory)
    people: Memory = field(default_factory=Memory)


def northwind() -> Northwind:
    """Return the running application's state."""
    state: Northwind = current_app.extensions["northwind"]
    return state


def current() -> SignedIn | None:
    """Return who is signed in with this browser."""
    return northwind().people.get(session["person"]) if "person" in session else None


def browser() -> str:
    """Return this browser's random name, giving it one if need be."""
    name: str = session.setdefault("browser", secrets.token_urlsafe(24))
    return name


def remember(signed_in: SignedIn) -> None:
    """Sign the person in here, under a new random name and with a new form token."""
    forget()
    session["person"] = secrets.token_urlsafe(24)
    session["csrf"] = secrets.token_urlsafe(24)
    northwind().people.set(session["person"], signed_in, STAY_SECONDS)
    northwind().signals.name(signed_in)


def forget() -> None:
    """Sign the person out here; journeys under way in other tabs go on."""
    northwind().people.delete(session.pop("person", ""))
    session.pop("csrf", None)


def end_stays(claims: Mapping[str, Any]) -> int:
    """End the stays that a logout token is about: of its `sid`, or else of its `sub`; return how many."""
    name = "sid" if claims.get("sid") else "sub"
    ended = northwind().people.remove(
        lambda one: isinstance(one, SignedIn) and one.claims.get(name) == claims[name]
    )
    for person in ended:
        northwind().people.set(f"ended:{person}", True, STAY_SECONDS)
    return len(ended)


def was_ended() -> bool:
    """Whether the provider, not the person, ended the stay of this browser."""
    return "person" in session and bool(northwind().people.get(f"ended:{session['person']}"))
