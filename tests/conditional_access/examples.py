"""Short ways to say who asks for what, and which policies are in force."""

import tomllib
from datetime import UTC, datetime, timedelta
from typing import Any

from idprotect.conditional_access import (
    AccessRequest,
    Control,
    Policy,
    PolicySet,
    PolicyState,
    parse_policies,
)
from idprotect.conditional_access.expressions import Expression
from idprotect.risk import RiskLevel

NONE, LOW, MEDIUM, HIGH = RiskLevel
AT_RISK = frozenset({MEDIUM, HIGH})

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SIGNED_IN_AT = NOW - MINUTE
RISK_AT = NOW - HOUR


def asking(**facts: Any) -> AccessRequest:
    """Return ada asking for the notes; a risky user has been so for an hour."""
    harmless: dict[str, Any] = {
        "at": NOW,
        "user_id": "u1",
        "username": "ada",
        "client_id": "notes",
        "signed_in_at": SIGNED_IN_AT,
    }
    if facts.get("user_risk"):
        harmless["user_risk_at"] = RISK_AT
    for name in ("scopes", "groups", "roles", "locations"):
        if name in facts:
            facts[name] = frozenset(facts[name])
    return AccessRequest(**{**harmless, **facts})


def policy(name: str, *controls: Control, **fields: Any) -> Policy:
    """Return a policy that is on."""
    for key in ("user_risk", "sign_in_risk", "platforms", "scopes"):
        if key in fields:
            fields[key] = frozenset(fields[key])
    if isinstance(fields.get("expression"), str):
        fields["expression"] = Expression.parse(fields["expression"])
    return Policy(name=name, controls=frozenset(controls), **{"state": PolicyState.ON, **fields})


def in_force(*policies: Policy, **fields: Any) -> PolicySet:
    """Return the policies as one set."""
    return PolicySet(1, policies, **fields)


def from_file(text: str) -> PolicySet:
    """Return the policies of a TOML document."""
    return parse_policies(tomllib.loads(text), 1)


USER_BLOCK = policy("user-block", Control.BLOCK, user_risk=AT_RISK)
USER_RECOVERY = policy("user-recovery", Control.MFA, Control.PASSWORD_CHANGE, user_risk=AT_RISK)
SIGN_IN_BLOCK = policy("sign-in-block", Control.BLOCK, sign_in_risk=AT_RISK)
SIGN_IN_MFA = policy("sign-in-mfa", Control.MFA, sign_in_risk=AT_RISK)
MFA_ALWAYS = policy("mfa-always", Control.MFA)
BLOCK_ALL = policy("block-all", Control.BLOCK)


def registration(skip_days: int = 0, name: str = "registration", **fields: Any) -> Policy:
    """Return a policy that requires registration."""
    return policy(name, Control.REGISTRATION, skip_days=skip_days, **fields)
