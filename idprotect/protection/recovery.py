"""Recovery without a password: everything ends, and one strong sign-in after that restores the identity.

For users who have no password, and for risk that lies in tokens alone. An administrator or a policy begins it; the
fact is a time on the user. The second factor of a sign-in that came after it, and after all that is open, closes
the risk. It would not cure a password that somebody else knows, so with one it is refused.
"""

from idprotect import audit, clock
from idprotect.audit import Event
from idprotect.errors import InteractionError
from idprotect.models import SignIn, User, UserFacts
from idprotect.protection.closing import close, end
from idprotect.protection.standing import hold, open_detections
from idprotect.risk import RiskEvent
from idprotect.risk.states import TOKEN_RISK


def begin_recovery(user: User, by: str, reason: str) -> None:
    """End all sessions and tokens of a user; the next strong sign-in restores the identity.

    :raises InteractionError: when that would cure nothing, with the reason.
    """
    hold(user.id)
    if problem := why_not(user):
        raise InteractionError(f"{user.username} cannot recover without a new password: {problem}")
    user.recovery_began_at = clock.now()
    end(user.id, RiskEvent.SESSIONS_REVOKED, by)
    audit.record(Event.RECOVERY_BEGAN, actor=by, user_id=user.id, reason=reason)


def finish(user: User, sign_in: SignIn) -> None:
    """A second factor was just proved: close the user's risk if everything was ended before this sign-in for that."""
    began = user.recovery_began_at
    if began is None or sign_in.signed_in_at < began:
        return
    newer = [detection for detection in open_detections(user.id) if detection.opened_at > began]
    if newer or why_not(user) is not None:
        return
    user.recovery_began_at = None
    cause = "a strong sign-in after all sessions were ended"
    # All end once more: who signed in meanwhile with less must not be let in now because the risk is gone.
    close(user.id, RiskEvent.SESSIONS_REVOKED, user.username, cause, acting=sign_in)


def why_not(user: UserFacts) -> str | None:
    """Return why recovery without a password would not cure a user, None when it would."""
    names = {detection.name for detection in open_detections(user.id)}
    if not names:
        return "no risk is open"
    others = sorted(names - TOKEN_RISK)
    if not others or not _has_password(user):
        return None
    return f"somebody else may know the password ({', '.join(others)})"


def _has_password(user: UserFacts) -> bool:
    """Whether there is one; a host application keeps its users' elsewhere."""
    return bool(user.host_id or user.password_hash or user.temporary_password_hash)
