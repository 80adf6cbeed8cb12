"""What is stored."""

from idprotect.models.base import (
    Base,
    add,
    dialect,
    has_session,
    insert,
    new_id,
    rows_changed,
    run,
    session,
    table_of,
)
from idprotect.models.client_error import ClientError
from idprotect.models.oauth import (
    AuthorizationCode,
    Client,
    ClientRules,
    Consent,
    LogoutNotice,
    PendingAuthorization,
    PushedRequest,
    Token,
    UsedJwt,
)
from idprotect.models.policy import PolicyVersion, Receipt
from idprotect.models.risk import ClientNetwork, RiskCount, RiskProfile
from idprotect.models.sign_in import RiskDetection, RiskHistory, SignIn
from idprotect.models.user import (
    AuditEvent,
    AuditHead,
    Authenticator,
    Challenge,
    Device,
    RecoveryCode,
    Throttle,
    User,
)

__all__ = [
    "AuditEvent",
    "AuditHead",
    "Authenticator",
    "AuthorizationCode",
    "Base",
    "Challenge",
    "Client",
    "ClientError",
    "ClientNetwork",
    "ClientRules",
    "Consent",
    "Device",
    "LogoutNotice",
    "PendingAuthorization",
    "PolicyVersion",
    "PushedRequest",
    "Receipt",
    "RecoveryCode",
    "RiskCount",
    "RiskDetection",
    "RiskHistory",
    "RiskProfile",
    "SignIn",
    "Throttle",
    "Token",
    "UsedJwt",
    "User",
    "add",
    "dialect",
    "has_session",
    "insert",
    "new_id",
    "rows_changed",
    "run",
    "session",
    "table_of",
]
