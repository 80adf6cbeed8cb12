"""The words in which access is decided, and the values that carry a decision with its reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from idprotect.conditional_access.policy import PolicyState


class Outcome(StrEnum):
    """What a policy says to one access request; the same words in log, report-only, what-if and replay."""

    NOT_APPLIED = "not_applied"
    ALLOWED = "allowed"
    SIGN_IN_REQUIRED = "sign_in_required"
    MFA_REQUIRED = "mfa_required"
    MFA_SATISFIED = "mfa_satisfied"
    PASSWORD_CHANGE_REQUIRED = "password_change_required"  # noqa: S105 (a word, not a secret)
    RECOVERY_REQUIRED = "recovery_required"
    REGISTRATION_REQUIRED = "registration_required"
    TERMS_REQUIRED = "terms_required"
    BLOCKED = "blocked"


class Reason(StrEnum):
    """Why access is not given yet, for the log and the administrator."""

    POLICY = "policy"
    MFA_UNAVAILABLE = "mfa_unavailable"
    STRENGTH = "strength"
    STRENGTH_UNAVAILABLE = "strength_unavailable"
    REGISTRATION_REFUSED = "registration_refused_at_risk"
    ACCOUNT_DISABLED = "account_disabled"
    TEMPORARY_PASSWORD = "temporary_password"  # noqa: S105
    SESSION_RISK = "session_risk"
    STEP_UP = "step_up"
    STOPPED_SIGN_IN = "stopped_sign_in"
    CONSENT_MISSING = "consent_missing"


class Step(StrEnum):
    """What can stand between a user and the token, in the order in which it is asked for."""

    BLOCK = "block"
    SIGN_IN = "sign_in"
    NOTICE = "notice"
    MFA_REGISTRATION = "mfa_registration"
    MFA = "mfa"
    PASSWORD_CHANGE = "password_change"  # noqa: S105
    RECOVERY = "recovery"
    REVIEW = "review"
    TERMS_OF_USE = "terms_of_use"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What one policy says.

    :param unmet: the conditions that do not hold; all of them, so that nobody has to guess twice.
    :param failing: where its expression is among them, the parts of that by which it does not hold.
    """

    policy: str
    state: PolicyState
    outcome: Outcome
    unmet: tuple[str, ...] = ()
    reason: Reason | None = None
    failing: tuple[str, ...] = ()

    @property
    def enforced(self) -> bool:
        """Whether the outcome counts."""
        return self.state is PolicyState.ON

    @property
    def word(self) -> str:
        """The outcome as written in logs: with ``would_`` before it when it is not enforced."""
        applied = self.outcome is not Outcome.NOT_APPLIED
        return f"would_{self.outcome}" if applied and not self.enforced else str(self.outcome)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        row: dict[str, Any] = {"policy": self.policy, "outcome": self.word}
        if self.unmet:
            row["unmet"] = list(self.unmet)
        if self.failing:
            row["failing"] = list(self.failing)
        if self.reason:
            row["reason"] = str(self.reason)
        return row


@dataclass(frozen=True, slots=True)
class Decision:
    """What all policies together say to one access request.

    :param steps: what is still missing, in the order to ask for it; empty means *allow*.
    :param about_user: the risk that asks is the user's, not only this sign-in's.
    :param mfa_for_sign_in_risk: a policy about sign-in risk asks for MFA, so passing it remediates the sign-in.
    :param skip_days_left: days left during which registration can be put off, None when it cannot be.
    :param terms_of_use: names of the terms of use that are still to be accepted.
    """

    steps: tuple[Step, ...]
    results: tuple[PolicyResult, ...] = ()
    reason: Reason | None = None
    about_user: bool = False
    mfa_for_sign_in_risk: bool = False
    skip_days_left: int | None = None
    terms_of_use: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether a code or token may go out."""
        return not self.steps

    @property
    def needs_strength(self) -> bool:
        """Whether a second factor is asked for that not every factor is good enough for."""
        return any(result.enforced and result.reason is Reason.STRENGTH for result in self.results)

    @property
    def first(self) -> Step | None:
        """The step to show."""
        return self.steps[0] if self.steps else None

    @property
    def outcome(self) -> str:
        """One word for the whole: ``allowed``, ``blocked`` or the first thing that is missing."""
        return _WORDS[self.first] if self.first else str(Outcome.ALLOWED)


_WORDS: Mapping[Step, str] = {
    Step.BLOCK: str(Outcome.BLOCKED),
    Step.SIGN_IN: str(Outcome.SIGN_IN_REQUIRED),
    Step.NOTICE: "notice_required",
    Step.MFA_REGISTRATION: str(Outcome.REGISTRATION_REQUIRED),
    Step.MFA: str(Outcome.MFA_REQUIRED),
    Step.PASSWORD_CHANGE: str(Outcome.PASSWORD_CHANGE_REQUIRED),
    Step.RECOVERY: str(Outcome.RECOVERY_REQUIRED),
    Step.REVIEW: "review_required",
    Step.TERMS_OF_USE: str(Outcome.TERMS_REQUIRED),
    Step.CONSENT: "consent_required",
}

#: What can come of an access request, all policies together.
OUTCOMES: tuple[str, ...] = (str(Outcome.ALLOWED), *_WORDS.values())
