"""The life of a detection: raised, confirmed, closed, reactivated. The only package that changes a risk state.

What an event closes, and which sessions it ends, stands in :data:`idprotect.risk.TRANSITIONS`; the verbs here carry
that table out and keep the levels of sign-ins and users in step with what is open.

    administrators   dismiss, confirm, close, reactivate, undo, set a temporary password
    owners           a second factor, a new password, "this was me", "this was not me", access
    recovery         restoring an identity without a password
    ageing           low risk fades
    raising          findings become open detections
    closing          one row of the table, carried out
    standing         what is open, and the levels that follow
"""

from idprotect.protection.administrators import (
    close_detection,
    confirm_compromised,
    confirm_safe,
    confirm_sign_in_compromised,
    confirm_sign_in_safe,
    dismiss,
    dismiss_sign_in,
    is_undone,
    reactivate,
    temporary_password,
    undo_dismissal,
    undo_until,
    why_no_undoing,
)
from idprotect.protection.ageing import age_out
from idprotect.protection.owners import (
    completed,
    confirm_own_sign_in,
    mitigate,
    report,
    secure_password_change,
    stopped_sign_in,
    voluntary_password_change,
)
from idprotect.protection.raising import Report, raise_detection, raise_detections
from idprotect.protection.recovery import begin_recovery
from idprotect.protection.recovery import why_not as why_no_recovery
from idprotect.protection.standing import (
    IS_OPEN,
    SYSTEM,
    has_open,
    hold,
    open_detections,
    open_risk,
    was_raised,
)
from idprotect.protection.watching import watch_administrator

__all__ = [
    "IS_OPEN",
    "SYSTEM",
    "Report",
    "age_out",
    "begin_recovery",
    "close_detection",
    "completed",
    "confirm_compromised",
    "confirm_own_sign_in",
    "confirm_safe",
    "confirm_sign_in_compromised",
    "confirm_sign_in_safe",
    "dismiss",
    "dismiss_sign_in",
    "has_open",
    "hold",
    "is_undone",
    "mitigate",
    "open_detections",
    "open_risk",
    "raise_detection",
    "raise_detections",
    "reactivate",
    "report",
    "secure_password_change",
    "stopped_sign_in",
    "temporary_password",
    "undo_dismissal",
    "undo_until",
    "voluntary_password_change",
    "was_raised",
    "watch_administrator",
    "why_no_recovery",
    "why_no_undoing",
]
