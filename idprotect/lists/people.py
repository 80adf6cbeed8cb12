"""Lists of people: whose identity is at risk, and everybody, with whether a second factor is registered."""

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import String, case, cast, exists, literal_column, or_

from idprotect import clock, policies
from idprotect.conditional_access import Control, PolicyState
from idprotect.lists import words
from idprotect.lists.listing import Column, Condition, Filter, Listing, choice, times
from idprotect.models import Authenticator, User

REGISTRATION = {"registered": "registered", "pending": "pending", "overdue": "overdue"}

#: As it stands in the partial index, which is used only when the condition is the very same.
_RISKY = User.risk_state != literal_column("'none'")
_REGISTERED = exists().where(Authenticator.user_id == User.id, Authenticator.confirmed_at.is_not(None))
_TO_USER = ("user", "id")


def _overdue() -> Condition:
    """Whether the days are over for which registration can be put off, by the most patient policy that asks for it."""
    asking = [
        policy.skip_days
        for policy in policies.current().policies
        if policy.state is PolicyState.ON and Control.REGISTRATION in policy.controls
    ]
    if not asking:
        return literal_column("1 = 0")
    limit = clock.now() - timedelta(days=max(asking))
    return User.registration_prompted_at.is_not(None) & (User.registration_prompted_at <= limit)


def _registration(text: str) -> Condition:
    if text == "registered":
        return _REGISTERED
    return ~_REGISTERED & (_overdue() if text == "overdue" else ~_overdue())


def registration_status() -> Any:
    """Return whether a second factor is registered, still to be registered, or overdue, as a value of each row."""
    return case((_REGISTERED, "registered"), (_overdue(), "overdue"), else_="pending")


def _named(text: str) -> Condition:
    name = text.lower()
    return or_(
        User.username.startswith(name, autoescape=True),
        User.email.startswith(text, autoescape=True),
    )


def _holds(names: Any, text: str) -> Condition:
    """Whether a JSON list of names holds one, found as it is written there."""
    return cast(names, String).contains(json.dumps(text), autoescape=True)


_USER = Column("user", "User", User.username, sortable=True, link=_TO_USER)
_NAME = Column("name", "Name", User.name)
_RISK = (
    Column("level", "Risk", User.risk_level, "level"),
    Column("state", "State", User.risk_state, "state"),
    Column("detail", "Detail", User.risk_detail, "word"),
)

RISKY_USERS = Listing(
    name="risky_users",
    title="Risky users",
    about="People whose identity is or was at risk.",
    key=User.id,
    columns=(
        _USER,
        _NAME,
        Column("level", "Risk", User.risk_level, "level", sortable=True),
        *_RISK[1:],
        Column("changed", "Changed", User.risk_changed_at, "time", sortable=True),
        Column("enabled", "May sign in", User.enabled, "yes", shown=False),
    ),
    order="-changed",
    filters=(
        words.level("level", "Risk", User.risk_level),
        words.state(User.risk_state),
        words.detail(User.risk_detail),
        *times(User.risk_changed_at),
    ),
    hidden={"id": User.id},
    always=lambda: _RISKY & User.risk_changed_at.is_not(None) & ~User.simulated,
    search=_named,
    search_label="User name or mail address",
    acts=(
        "dismiss",
        "confirm_safe",
        "confirm_compromised",
        "resolve",
        "lock_down",
        "revoke_sessions",
        "temporary_password",
        "require_reset",
        "undo_dismissal",
    ),
    presets={
        "Open": {"state": "open"},
        "High and open": {"level": "high", "state": "open"},
        "Remediated this week": {"state": "remediated", "within": "7d"},
    },
)

USERS = Listing(
    name="users",
    title="Users",
    about="Everybody who can sign in, and whether there is a second factor.",
    key=User.id,
    columns=(
        _USER,
        _NAME,
        Column("email", "Mail address", User.email, shown=False),
        Column("groups", "Groups", User.groups, "items", shown=False),
        Column("roles", "Roles", User.roles, "items"),
        Column("factor", "Second factor", registration_status, "registration"),
        *_RISK[:2],
        Column("enabled", "May sign in", User.enabled, "yes"),
        Column("created", "Created", User.created_at, "time", shown=False),
    ),
    order="user",
    filters=(
        choice("factor", "Second factor", _registration, REGISTRATION),
        words.level("level", "Risk", User.risk_level),
        words.yes_no("enabled", "May sign in", User.enabled),
        words.yes_no("temporary", "Temporary password", User.must_change_password),
        Filter("group", "Group", lambda text: _holds(User.groups, text)),
        Filter("role", "Role", lambda text: _holds(User.roles, text)),
    ),
    hidden={"id": User.id},
    always=lambda: ~User.simulated,
    search=_named,
    search_label="User name or mail address",
    acts=(
        "revoke_sessions",
        "require_reset",
        "temporary_password",
        "confirm_compromised",
        "lock_down",
        "block",
        "unblock",
        "reset_factors",
    ),
    presets={
        "Second factor overdue": {"factor": "overdue"},
        "Without a second factor": {"factor": "pending"},
        "Blocked": {"enabled": "no"},
        "Console roles": {"role": "administrator"},
    },
)
