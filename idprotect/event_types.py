"""Types of security events: CAEP 1.0, RISC 1.0 and those of SSF 1.0 itself. Who tells and who hears share them."""

from datetime import timedelta

_CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
_RISC = "https://schemas.openid.net/secevent/risc/event-type/"
_SSF = "https://schemas.openid.net/secevent/ssf/event-type/"

SESSION_REVOKED = _CAEP + "session-revoked"
CREDENTIAL_CHANGE = _CAEP + "credential-change"
ASSURANCE_LEVEL_CHANGE = _CAEP + "assurance-level-change"
RISK_LEVEL_CHANGE = _CAEP + "risk-level-change"
DEVICE_COMPLIANCE_CHANGE = _CAEP + "device-compliance-change"
SESSION_ESTABLISHED = _CAEP + "session-established"
SESSION_PRESENTED = _CAEP + "session-presented"
TOKEN_CLAIMS_CHANGE = _CAEP + "token-claims-change"
CREDENTIAL_CHANGE_REQUIRED = _RISC + "account-credential-change-required"
ACCOUNT_DISABLED = _RISC + "account-disabled"
ACCOUNT_ENABLED = _RISC + "account-enabled"
ACCOUNT_PURGED = _RISC + "account-purged"
CREDENTIAL_COMPROMISE = _RISC + "credential-compromise"
IDENTIFIER_CHANGED = _RISC + "identifier-changed"
IDENTIFIER_RECYCLED = _RISC + "identifier-recycled"
RECOVERY_ACTIVATED = _RISC + "recovery-activated"
RECOVERY_INFORMATION_CHANGED = _RISC + "recovery-information-changed"
SESSIONS_REVOKED = _RISC + "sessions-revoked"
RISC_VERIFICATION = _RISC + "verification"
VERIFICATION = _SSF + "verification"
STREAM_UPDATED = _SSF + "stream-updated"

#: A token that is older is not taken any more: what it tells was lost, or is old news.
OLDEST_TOKEN = timedelta(days=7)


def short(event_type: str) -> str:
    """Return the last part of a type, which is what people call it."""
    return event_type.rpartition("/")[2]
