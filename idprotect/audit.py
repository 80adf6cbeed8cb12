"""What happened, for administrators: names of events, and one function that writes them.

An event is written in the transaction of what it tells, so neither is there without the other. No secrets.
"""

import logging
from enum import StrEnum
from typing import Any

from blinker import Signal

from idprotect import clock, simulated
from idprotect.models import AuditEvent, add

log = logging.getLogger("idprotect.audit")

#: Something was written down: ``recorded.send(event, user_id=…, sign_in_id=…, details=…)``, before the commit.
recorded = Signal()


class Event(StrEnum):
    """*subject:action*; names are stable for ever."""

    SIGN_IN_SUCCEEDED = "sign_in:succeeded"
    SIGN_IN_FAILED = "sign_in:failed"
    SIGN_IN_ENDED = "sign_in:ended"
    SIGN_IN_MOVED = "sign_in:moved"
    SIGN_IN_MOVE_SETTLED = "sign_in:move_settled"
    SIGN_IN_BLOCKED = "sign_in:blocked"
    PASS_ISSUED = "pass:issued"  # noqa: S105 (a word, not a secret)
    PASS_USED = "pass:used"  # noqa: S105
    MFA_PASSED = "mfa:passed"
    MFA_FAILED = "mfa:failed"
    CODE_SENT = "mfa:code_sent"
    FACTOR_ADDED = "factor:added"
    FACTOR_REMOVED = "factor:removed"
    FACTOR_REFUSED = "factor:refused"
    FACTOR_DISABLED = "factor:disabled"
    REGISTRATION_SKIPPED = "registration:skipped"
    PASSWORD_CHANGED = "password:changed"  # noqa: S105 (a word, not a secret)
    PASSWORD_REQUIRED = "password:required"  # noqa: S105
    PASSWORD_TEMPORARY = "password:temporary"  # noqa: S105
    CONSENT_GIVEN = "consent:given"
    CONSENT_REVOKED = "consent:revoked"
    TERMS_ACCEPTED = "terms:accepted"
    TERMS_DECLINED = "terms:declined"
    TERMS_CREATED = "terms:created"
    TERMS_PUBLISHED = "terms:published"
    TERMS_CHANGED = "terms:changed"
    TERMS_DELETED = "terms:deleted"
    USER_RISK_CHANGED = "user:risk_changed"
    RISK_DETECTED = "risk:detected"
    RISK_CLOSED = "risk:closed"
    RISK_CONFIRMED = "risk:confirmed"
    RISK_CONFIRMED_SAFE = "risk:confirmed_safe"
    RISK_DISMISSED = "risk:dismissed"
    RISK_DISMISSAL_UNDONE = "risk:dismissal_undone"
    RISK_REACTIVATED = "risk:reactivated"
    RECOVERY_BEGAN = "recovery:began"
    RISK_EVALUATION_FAILED = "risk:evaluation_failed"
    POLICY_APPLIED = "policy:applied"
    POLICY_ROLLED_BACK = "policy:rolled_back"
    POLICY_DRAFT_SAVED = "policy:draft_saved"
    POLICY_DRAFT_APPLIED = "policy:draft_applied"
    POLICY_DRAFT_DISCARDED = "policy:draft_discarded"
    POLICY_EMERGENCY = "policy:emergency"
    BREAK_GLASS_USED = "break_glass:used"
    LOGOUT_NOT_DELIVERED = "logout:not_delivered"
    WEBHOOK_CHANGED = "webhook:changed"
    WEBHOOK_NOT_DELIVERED = "webhook:not_delivered"
    WEBHOOK_DISABLED = "webhook:disabled"
    STREAM_CHANGED = "stream:changed"
    SIGNAL_SOURCE_CHANGED = "signal_source:changed"
    SIGNAL_SOURCE_HELD = "signal_source:held"
    SIGNAL_SOURCE_UNDONE = "signal_source:undone"
    SIGNAL_REFUSED = "signal_source:refused"
    TOKEN_REUSED = "token:reused"  # noqa: S105
    CODE_REUSED = "code:reused"
    SESSIONS_REVOKED = "sessions:revoked"
    USER_CREATED = "user:created"
    USER_CHANGED = "user:changed"
    USER_EXPORTED = "user:exported"
    USER_DELETED = "user:deleted"
    CLIENT_CREATED = "client:created"
    CLIENT_CHANGED = "client:changed"
    CLIENT_FORGOTTEN = "client:forgotten"
    INITIAL_ACCESS_GIVEN = "initial_access:given"
    INITIAL_ACCESS_REVOKED = "initial_access:revoked"
    CLIENT_ANOMALOUS = "client:anomalous"
    CLIENT_DISMISSED = "client:dismissed"
    CLIENT_REMEDIATED = "client:remediated"
    ADDRESSES_CONFIRMED = "addresses:confirmed"
    ADDRESSES_WITHDRAWN = "addresses:withdrawn"
    KEYS_ROTATED = "keys:rotated"
    ALERT_QUEUED = "alert:queued"
    MESSAGE_FAILED = "message:failed"
    AUDIT_PURGED = "audit:purged"
    API_READ = "api:read"
    CONSOLE_REFUSED = "console:refused"
    CONSOLE_LOOKED_UP = "console:looked_up"
    CONSOLE_EXPORTED = "console:exported"
    CONSOLE_ACTED = "console:acted"
    CONSOLE_ACT_REFUSED = "console:act_refused"
    SIMULATION_RAN = "simulation:ran"
    SIMULATION_REMOVED = "simulation:removed"


def record(
    event: Event,
    *,
    actor: str,
    user_id: str | None = None,
    sign_in_id: str | None = None,
    client_id: str | None = None,
    **details: Any,
) -> None:
    """Write one event; nothing of what is simulated, for it did not happen.

    :param actor: who did it: a user name, ``system``, or ``cli:`` with the account of the shell.
    """
    if simulated.is_running():
        return
    add(
        AuditEvent,
        {
            "at": clock.now(),
            "name": str(event),
            "actor": actor,
            "user_id": user_id,
            "sign_in_id": sign_in_id,
            "client_id": client_id,
            "details": details,
        },
    )
    recorded.send(event, user_id=user_id, sign_in_id=sign_in_id, details=details)
    log.info("%s user=%s sign_in=%s client=%s", event, user_id, sign_in_id, client_id)
