"""What users do about their risk: prove who they are, choose a new password, say what was them and what was not."""

from sqlalchemy import bindparam, select, update

from idprotect import clock, learning
from idprotect.models import RiskDetection, SignIn, SignInFacts, User, run, session, table_of
from idprotect.protection import recovery
from idprotect.protection.closing import close, end
from idprotect.protection.raising import raise_detection
from idprotect.protection.standing import SYSTEM, hold, settle_user
from idprotect.risk import About, RiskEvent, RiskState
from idprotect.risk.detections import reports

_table = table_of(SignIn)
_COMPLETE = (
    update(_table)
    .where(_table.c.id == bindparam("sign_in_id"), _table.c.completed_at.is_(None))
    .values(completed_at=bindparam("now"))
)


def mitigate(user: User, sign_in: SignIn, *, for_sign_in_risk: bool) -> None:
    """A second factor was proved: close this sign-in's risk, and leave the user's other detections open.

    When everything was ended for that purpose before, it restores the identity, too.
    """
    event = RiskEvent.MFA_FOR_SIGN_IN_RISK if for_sign_in_risk else RiskEvent.MFA_FOR_ANOTHER_REASON
    close(user.id, event, SYSTEM, "a second factor was proved", sign_in=sign_in)
    recovery.finish(user, sign_in)


def secure_password_change(user: User, sign_in: SignIn) -> None:
    """The user changed the password after MFA: the identity is restored, everything else of it ends."""
    user.recovered_at = clock.now()
    event, cause = RiskEvent.SECURE_PASSWORD_CHANGE, "the user changed the password"
    close(user.id, event, user.username, cause, acting=sign_in)


def voluntary_password_change(user: User, sign_in: SignIn | None) -> None:
    """The user changed the password in the profile: risk stays, for whoever has the password could do that."""
    close(user.id, RiskEvent.VOLUNTARY_PASSWORD_CHANGE, user.username, "password change", acting=sign_in)


def report(user: User, what: str, *, reported: SignIn | None = None, acting: SignIn | None = None) -> None:
    """The user says "this was not me"; everything but the sign-in in which they say so ends.

    :param reported: the sign-in that it is said of; None when they answer a message.
    """
    hold(user.id)
    if reported is not None:
        learning.disown(user.id, reported)
    raise_detection(user, reports.user_reported(what), actor=user.username)
    end(user.id, RiskEvent.USER_REPORTED, user.username, acting)


def confirm_own_sign_in(user: User, sign_in: SignIn) -> None:
    """The user says of a stopped sign-in "this was me", from a later one without risk; its context is learnt."""
    cause = "the user says: this was me"
    close(user.id, RiskEvent.USER_CONFIRMED_SIGN_IN, user.username, cause, sign_in=sign_in)
    learning.teach(user.id, sign_in)


def completed(sign_in: SignInFacts) -> bool:
    """The sign-in ended with access, so what is open of it counts as a sign-in that was let through.

    :return: whether this was the first time; only then anything comes of it.
    """
    if run(_COMPLETE, sign_in_id=sign_in.id, now=clock.now()).rowcount != 1:
        return False
    if sign_in.aggregated_level:
        settle_user(sign_in.user_id, "a risky sign-in was completed", SYSTEM)
    return True


def stopped_sign_in(user_id: str, but: str) -> SignIn | None:
    """Return the newest sign-in with open risk that was stopped, other than the one called *but*."""
    statement = (
        select(SignIn)
        .join(RiskDetection, RiskDetection.sign_in_id == SignIn.id)
        .where(
            RiskDetection.user_id == user_id,
            RiskDetection.about == str(About.SIGN_IN),
            RiskDetection.state == str(RiskState.AT_RISK),
            SignIn.risk_state == str(RiskState.AT_RISK),
            SignIn.completed_at.is_(None),
            SignIn.id != but,
        )
        .order_by(SignIn.signed_in_at.desc())
    )
    return session().scalar(statement.limit(1))
