"""What another system tells by a security event (CAEP 1.0, RISC 1.0), as a finding: the published table, and the cap.

An event raises risk, or it does not; none lowers it. That somebody else thinks better of a person says nothing about
what was found here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from idprotect.event_types import (
    ACCOUNT_DISABLED,
    ACCOUNT_ENABLED,
    ACCOUNT_PURGED,
    ASSURANCE_LEVEL_CHANGE,
    CREDENTIAL_CHANGE,
    CREDENTIAL_CHANGE_REQUIRED,
    CREDENTIAL_COMPROMISE,
    DEVICE_COMPLIANCE_CHANGE,
    IDENTIFIER_CHANGED,
    IDENTIFIER_RECYCLED,
    RECOVERY_ACTIVATED,
    RECOVERY_INFORMATION_CHANGED,
    RISK_LEVEL_CHANGE,
    SESSION_ESTABLISHED,
    SESSION_PRESENTED,
    SESSION_REVOKED,
    SESSIONS_REVOKED,
    TOKEN_CLAIMS_CHANGE,
    short,
)
from idprotect.risk.assessment import Finding
from idprotect.risk.levels import About, RiskLevel, Timing

NAME = "shared_signal"
_NONE, _LOW, _MEDIUM, _HIGH = RiskLevel.NONE, RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table.

    :param level: unless a member says otherwise.
    :param member: of the event, whose value decides; what it says that stands not in *by_value* is *level*.
    """

    level: RiskLevel
    member: str = ""
    by_value: Mapping[str, RiskLevel] = field(default_factory=dict)


#: The published table (docs/risk.md): what each event raises.
RULES: Mapping[str, Rule] = {
    RISK_LEVEL_CHANGE: Rule(_NONE, "current_level", {"HIGH": _HIGH, "MEDIUM": _MEDIUM}),
    CREDENTIAL_COMPROMISE: Rule(_HIGH),
    CREDENTIAL_CHANGE_REQUIRED: Rule(_HIGH),
    ACCOUNT_DISABLED: Rule(_MEDIUM, "reason", {"hijacking": _HIGH}),
    DEVICE_COMPLIANCE_CHANGE: Rule(_NONE, "current_status", {"not-compliant": _MEDIUM}),
    IDENTIFIER_RECYCLED: Rule(_MEDIUM),
    ASSURANCE_LEVEL_CHANGE: Rule(_NONE, "change_direction", {"decrease": _LOW}),
    SESSION_REVOKED: Rule(_NONE, "initiating_entity", {"admin": _LOW, "policy": _LOW}),
    SESSIONS_REVOKED: Rule(_LOW),
    CREDENTIAL_CHANGE: Rule(_LOW),
    RECOVERY_ACTIVATED: Rule(_LOW),
    RECOVERY_INFORMATION_CHANGED: Rule(_LOW),
    IDENTIFIER_CHANGED: Rule(_LOW),
    ACCOUNT_PURGED: Rule(_LOW),
    ACCOUNT_ENABLED: Rule(_NONE),
    SESSION_ESTABLISHED: Rule(_NONE),
    SESSION_PRESENTED: Rule(_NONE),
    TOKEN_CLAIMS_CHANGE: Rule(_NONE),
}
#: Last part of the type, as people say and type it → type.
BY_SHORT_NAME: Mapping[str, str] = {short(event_type): event_type for event_type in RULES}
#: What also ends the person's sessions here, whoever's they were there.
ENDS_SESSIONS = frozenset({SESSION_REVOKED, SESSIONS_REVOKED})
#: What a source is listened to for unless it is said otherwise: of ordinary life these tell nothing.
USUAL = (
    RISK_LEVEL_CHANGE,
    CREDENTIAL_COMPROMISE,
    CREDENTIAL_CHANGE_REQUIRED,
    ACCOUNT_DISABLED,
    DEVICE_COMPLIANCE_CHANGE,
)
#: About whom a change of risk is: a whole tenant or group says nothing about one person (CAEP section 3.8).
_PRINCIPALS = frozenset({"", "USER", "DEVICE", "SESSION"})
#: Members that are kept, each as one line of text.
MEMBERS = (
    "principal",
    "reason",
    "initiating_entity",
    *{rule.member for rule in RULES.values() if rule.member},
)
LONGEST = 200


def members_of(event: Mapping[str, Any]) -> dict[str, str]:
    """Return of an event from outside what counts here, as short printable text; nothing else of it is kept."""
    told = {name: _text(event.get(name)) for name in MEMBERS}
    said = event.get("reason_admin", event.get("risk_reason"))
    if isinstance(said, Mapping):  # by language (CAEP section 2)
        said = said.get("en", next(iter(said.values()), None))
    told["reason_admin"] = _text(said)
    return {name: text for name, text in told.items() if text}


def level_of(event_type: str, members: Mapping[str, str]) -> RiskLevel:
    """Return what an event raises; none for one that is not in the table."""
    rule = RULES.get(event_type, Rule(_NONE))
    if event_type == RISK_LEVEL_CHANGE and members.get("principal", "") not in _PRINCIPALS:
        return _NONE
    return rule.by_value.get(members.get(rule.member, ""), rule.level)


def shared_signal(source: str, event_type: str, members: Mapping[str, str], cap: RiskLevel) -> Finding | None:
    """Return the finding that an event of a source makes, None when it raises nothing.

    :param source: what administrators call it.
    :param members: as :func:`members_of` returns them.
    :param cap: the most that this source may raise.
    """
    said = level_of(event_type, members)
    level = min(said, cap)
    if not level:
        return None
    event = short(event_type)
    value = members.get(RULES[event_type].member, "")
    reasons = [f"{source} tells: {event}" + (f", {value}" if value else "")]
    if "reason_admin" in members:
        reasons.append(f"{source} says why: {members['reason_admin']}")
    if level < said:
        reasons.append(f"counted as {level.label}, not {said.label}: more this source may not raise")
    evidence = {"source": source, "event": event, **members}
    return Finding(NAME, level, About.USER, tuple(reasons), evidence, Timing.OFFLINE)


def _text(value: Any) -> str:
    return value[:LONGEST] if isinstance(value, str) and value.isprintable() else ""
