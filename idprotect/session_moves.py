"""Sessions whose cookie turns up in another network or browser: what is believed of that, and what came of it.

Noted is a fact, the risk of the session; :mod:`idprotect.gate` decides what it means. It only rises, whoever comes by
next: the cookie was copied for everybody. A second factor that is proved after it clears it, and changes the cookie.
"""

from idprotect import audit, clock, judging, learning, protection
from idprotect.audit import Event
from idprotect.browser import Visitor
from idprotect.models import SignIn, SignInFacts, User, session
from idprotect.risk import About, Assessment, Attempt, Result, RiskLevel


def is_move(sign_in: SignInFacts, visitor: Visitor) -> bool:
    """Whether a session is used from elsewhere than it was used last."""
    return sign_in.completed_at is not None and judging.is_elsewhere(sign_in, visitor)


def note(user: User, sign_in: SignIn, visitor: Visitor) -> None:
    """Judge the use of a session from elsewhere, and write it down. Commits.

    What looks like a copied cookie is held against the user besides.

    :raises EvaluationError: when it could not be judged and ``IDPROTECT_DETECTOR_FAILURE`` says to refuse.
    """
    attempt = judging.session_attempt(sign_in, visitor, judging.holder(visitor, user).browser_id)
    assessment = judging.judge(attempt)
    level = assessment.level
    _record(user, sign_in, attempt, assessment)
    sign_in.site, sign_in.browser = attempt.site, attempt.browser.exact
    sign_in.session_signals = attempt.to_dict() if level else {}
    if level > sign_in.session_risk:
        sign_in.session_level, sign_in.session_level_at = int(level), clock.now()
        about_user = [finding for finding in assessment.findings if finding.about is About.USER]
        protection.raise_detections(user, about_user)
    if not level:
        learning.outcome(attempt, Result.SUCCESS, level, None, None)
    session().commit()


def settle(user: User, sign_in: SignIn, result: Result) -> None:
    """Note what came of a session at risk: a second factor was proved, or it had to end.

    Only the place where that happened is learnt from, which is where the cookie was used last.
    """
    level = sign_in.session_risk
    if not level:
        return
    if result is Result.CHALLENGE_PASSED:
        sign_in.session_level, sign_in.session_level_at = int(RiskLevel.NONE), None
    if not sign_in.session_signals:
        return
    learning.outcome(Attempt.from_dict(sign_in.session_signals), result, level, None, None)
    sign_in.session_signals = {}
    audit.record(
        Event.SIGN_IN_MOVE_SETTLED,
        actor=user.username,
        user_id=user.id,
        sign_in_id=sign_in.id,
        result=str(result),
    )


def _record(user: User, sign_in: SignIn, attempt: Attempt, assessment: Assessment) -> None:
    """Write down from where a session's cookie came, and what was believed of it."""
    audit.record(
        Event.SIGN_IN_MOVED,
        actor=user.username,
        user_id=user.id,
        sign_in_id=sign_in.id,
        risk=assessment.level.label,
        score=assessment.score,
        detections={finding.name: finding.level.label for finding in assessment.findings},
        not_evaluated=dict(assessment.not_evaluated),
        signals=attempt.to_dict(),
    )
