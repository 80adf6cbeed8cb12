"""Who may do what in the administrator's console: the one matrix of roles, pages and acts. Closed by default.

A role is a name in ``User.roles``. What stands in neither table is nobody's.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum


class Role(StrEnum):
    """Who somebody is in the console."""

    READER = "reader"
    HELP_DESK = "help_desk"
    OPERATOR = "operator"
    POLICY_EDITOR = "policy_editor"
    ADMINISTRATOR = "administrator"


_ALL = frozenset(Role)
#: Whoever may see addresses, devices, signals and everybody's history; the help desk sees what a caller asks about.
_READ = _ALL - {Role.HELP_DESK}
_RISK = frozenset({Role.OPERATOR, Role.ADMINISTRATOR})
_RESET = frozenset({Role.HELP_DESK, Role.ADMINISTRATOR})
_POLICIES = frozenset({Role.POLICY_EDITOR, Role.ADMINISTRATOR})
#: Whoever registers applications could register one that takes everybody's tokens.
_CLIENTS = frozenset({Role.ADMINISTRATOR})
#: Whoever lets a source in could let everybody be locked out; to keep one from that is risk work.
_SOURCES = frozenset({Role.ADMINISTRATOR})

#: Page → who may see it. The name is ``view.function``.
PAGES: Mapping[str, frozenset[Role]] = {
    "overview.index": _ALL,
    "overview.find": _ALL,
    "overview.elsewhere": _ALL,
    "overview.data_files": _READ,
    "risky_users.index": _READ,
    "risky_users.file": _READ,
    "risky_sign_ins.index": _READ,
    "risky_sign_ins.file": _READ,
    "detections.index": _READ,
    "detections.file": _READ,
    "sign_ins.index": _READ,
    "sign_ins.file": _READ,
    "sign_ins.details": _ALL,
    "sessions.index": _READ,
    "sessions.file": _READ,
    "audit.index": _READ,
    "audit.file": _READ,
    "audit.details": _READ,
    "users.index": _ALL,
    "users.file": _READ,
    "users.details": _ALL,
    "applications.index": _READ,
    "applications.file": _READ,
    "applications.details": _READ,
    "application.new": _CLIENTS,
    "application.index": _CLIENTS,
    "application.secret": _CLIENTS,
    "application.switch": _CLIENTS,
    "application.dismiss": _CLIENTS,
    "application.errors": _READ,
    "policies.index": _READ,
    "policies.file": _READ,
    "policies.versions": _READ,
    "policies.version": _READ,
    "policies.what_if": _READ,
    "policies.report": _READ,
    "policies.edit": _POLICIES,
    "policies.state": _POLICIES,
    "policies.template": _POLICIES,
    "policies.emergency": _POLICIES,
    "drafts.index": _POLICIES,
    "drafts.one": _POLICIES,
    "drafts.discard": _POLICIES,
    "policy.new": _POLICIES,
    "policy.index": _POLICIES,
    "policy.remove": _POLICIES,
    "locations.index": _READ,
    "locations.new": _POLICIES,
    "locations.one": _POLICIES,
    "locations.remove": _POLICIES,
    "signal_sources.index": _READ,
    "signal_sources.one": _READ,
    "signal_sources.new": _SOURCES,
    "signal_sources.edit": _SOURCES,
    "signal_sources.new_token": _SOURCES,
    "signal_sources.pause": _RISK,
    "signal_sources.resume": _SOURCES,
    "signal_sources.undo": _SOURCES,
    "signal_sources.verify": _SOURCES,
    "signal_sources.subscribe": _SOURCES,
    "signal_sources.remove": _SOURCES,
    "terms.index": _READ,
    "terms.one": _READ,
    "terms.new": _POLICIES,
    "terms.edit": _POLICIES,
    "terms.remove": _POLICIES,
    "acceptances.index": _READ,
    "acceptances.file": _READ,
    "addresses.index": _READ,
    "addresses.change": frozenset({Role.ADMINISTRATOR}),
    "acts.index": _ALL,
    "acts.act": _ALL,
}

#: What a page shows only to some who may see it.
EVIDENCE = "evidence"
_PARTS: Mapping[str, frozenset[Role]] = {EVIDENCE: _READ}

#: Act → who may do it. Nobody acts on themselves; on somebody with a role only an administrator does.
ACTS: Mapping[str, frozenset[Role]] = {
    "lock_down": _RISK,
    "confirm_compromised": _RISK,
    "revoke_sessions": _RISK | _RESET,
    "block": _RISK,
    "unblock": _RISK,
    "dismiss": _RISK,
    "undo_dismissal": _RISK,
    "confirm_safe": _RISK,
    "resolve": _RISK,
    "recover": _RISK,
    "temporary_password": _RESET,
    "require_reset": _RESET,
    "reset_factors": frozenset({Role.ADMINISTRATOR}),
    "short_pass": _RESET,
    "sign_in_compromised": _RISK,
    "sign_in_safe": _RISK,
    "dismiss_sign_in": _RISK,
    "end_session": _RISK | _RESET,
    "resolve_detection": _RISK,
    "false_positive": _RISK,
    "ignore": _RISK,
    "reactivate": _RISK,
}


#: Scope of an application's own token → the role by which it acts at the API.
SCOPES: Mapping[str, Role] = {
    "idprotect:risk.act": Role.OPERATOR,
    "idprotect:users.reset": Role.HELP_DESK,
    "idprotect:administer": Role.ADMINISTRATOR,
}


def of(names: Collection[str]) -> frozenset[Role]:
    """Return the roles among the names of a user's roles; a host application may have others beside them."""
    return frozenset(role for role in Role if role in names)


def of_scopes(scopes: Collection[str]) -> frozenset[Role]:
    """Return the roles by which an application acts that has a token for these scopes."""
    return frozenset(role for scope, role in SCOPES.items() if scope in scopes)


def allows(names: Collection[str], what: str) -> bool:
    """Whether somebody with these roles may see a page, or a part of one, or do an act."""
    allowed = PAGES.get(what) or _PARTS.get(what) or ACTS.get(what) or frozenset()
    return bool(of(names) & allowed)
