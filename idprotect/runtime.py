"""What one server consists of while it runs: settings, keys, data files, senders; one object an application."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast

from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from jinja2 import Environment

from idprotect import simulated
from idprotect.conditional_access import PolicySet
from idprotect.intelligence import Intelligence
from idprotect.keys import KeyRing
from idprotect.models import ClientRules, User, UserFacts
from idprotect.passwords import Passwords
from idprotect.risk import Detector, Network
from idprotect.senders import Sender
from idprotect.senders.outgoing import Reach
from idprotect.settings import Settings


class Directory(Protocol):
    """Where users and their passwords are kept: our own table, or that of a host application."""

    #: Whether people change their password here; otherwise the host application does that.
    sets_passwords: bool

    def find(self, username: str) -> User | None:
        """Return the user of a name, as it was typed."""

    def refreshed(self, user: UserFacts) -> UserFacts:
        """Return a user with name, groups, roles and ``enabled`` up to date; our row follows."""

    def verify_password(self, user: User | None, password: str) -> bool:
        """Compare a password, in the same time whether or not the user exists."""

    def is_recent_password(self, user: User, password: str) -> bool:
        """Whether the password is the current one or, as far as is known, one of the last few."""

    def set_password(self, user: User, password: str) -> None:
        """Store a new password; a temporary one is gone."""

    def is_kept_elsewhere(self, user: User) -> bool:
        """Whether a host application knows the user, so that deleting our row would not delete them."""

    def claims(self, user: UserFacts) -> dict[str, Any]:
        """Return the standard claims (OIDC Core section 5.1) that are known of the user."""


@dataclass
class Runtime:
    """Everything that belongs to one application; nothing is kept in modules."""

    settings: Settings
    db: SQLAlchemy
    keys: KeyRing
    passwords: Passwords
    directory: Directory
    intelligence: Intelligence
    detections: Sequence[Detector]
    session_detections: Sequence[Detector]
    #: What this process has counted and not yet written.
    additions: Any
    sms: Sender
    mail: Sender
    #: By version.
    policies: dict[int, PolicySet] = field(default_factory=dict)
    #: Applications as they were registered, by revision.
    registrations: dict[str, ClientRules] = field(default_factory=dict)
    #: When a network that an application is known to come from was counted last.
    networks_counted: dict[tuple[str, int], datetime] = field(default_factory=dict)
    #: When it was last seen that somebody confirmed the addresses of visitors.
    addresses_confirmed_at: datetime | None = None
    server: Any = None
    #: Public keys of applications, as they were fetched.
    client_keys: Any = None
    #: What this process has answered and not yet written; None where nobody reads it.
    request_times: Any = None
    #: Delivers what is due while the server runs.
    courier: Any = None
    templates: Environment | None = None


def runtime() -> Runtime:
    """Return the runtime of the current application."""
    return cast(Runtime, current_app.extensions["idprotect"])


def settings() -> Settings:
    """Return the settings of the current application."""
    return runtime().settings


def reach() -> Reach:
    """Return where requests to addresses may go that somebody else chose."""
    networks = tuple(ipaddress.ip_network(text) for text in settings().outgoing_networks)
    return Reach(settings().development, networks)


def network_of(address: str) -> Network:
    """Return what is known of an address."""
    world = simulated.world()
    return (world or runtime()).intelligence.network(address)


def breach_count(password: str) -> int | None:
    """Return how often a password stands in breached data, None when nobody can tell."""
    if (world := simulated.world()) is not None:
        return int(password in world.leaked)
    breached = runtime().intelligence.breached
    return breached.count(password) if breached is not None else None
