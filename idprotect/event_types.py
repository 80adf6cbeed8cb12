"""Types of security events: CAEP 1.0, RISC 1.0 and the verification of SSF 1.0. Who tells and who hears share them."""

_CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
_RISC = "https://schemas.openid.net/secevent/risc/event-type/"

SESSION_REVOKED = _CAEP + "session-revoked"
CREDENTIAL_CHANGE = _CAEP + "credential-change"
ASSURANCE_LEVEL_CHANGE = _CAEP + "assurance-level-change"
RISK_LEVEL_CHANGE = _CAEP + "risk-level-change"
CREDENTIAL_CHANGE_REQUIRED = _RISC + "account-credential-change-required"
ACCOUNT_DISABLED = _RISC + "account-disabled"
ACCOUNT_ENABLED = _RISC + "account-enabled"
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
