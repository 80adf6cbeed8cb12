"""Why somebody was stopped, in classes: what the help desk may know, and no more."""

from enum import StrEnum

from idprotect.conditional_access import Decision, Outcome, PolicySet, Reason, Step


class Stop(StrEnum):
    """What stands in the way, by what helps against it."""

    ACCOUNT_DISABLED = "the account is switched off"
    ACCOUNT = "the account is at risk"
    FACTOR = "there is no second factor that would do"
    SIGN_IN = "this sign-in is at risk"
    RULE = "a rule about person, place, device or application"

    @property
    def help(self) -> str:
        """What helps against it, once somebody checked who the person is."""
        return _HELP[self]


_HELP = {
    Stop.ACCOUNT_DISABLED: "Unblock the person, at their page.",
    Stop.ACCOUNT: "Give the person a temporary password, at their page: it closes the risk. Or dismiss the risk there.",
    Stop.FACTOR: "Give this sign-in a short pass, in which a second factor can be set up.",
    Stop.SIGN_IN: "Give this sign-in a short pass, or let the person try a familiar device or place.",
    Stop.RULE: "Nothing here: a policy is meant to stop this. “What if” shows which condition it was.",
}
_FACTORS = frozenset({Reason.MFA_UNAVAILABLE, Reason.REGISTRATION_REFUSED, Reason.STRENGTH_UNAVAILABLE})


def stop_of(policies: PolicySet, decision: Decision) -> Stop | None:
    """Return the class of a block, None for any other decision."""
    if decision.first is not Step.BLOCK:
        return None
    if decision.reason is Reason.ACCOUNT_DISABLED:
        return Stop.ACCOUNT_DISABLED
    if decision.about_user:
        return Stop.ACCOUNT
    if decision.reason in _FACTORS:
        return Stop.FACTOR
    said = {
        result.policy for result in decision.results if result.enforced and result.outcome is Outcome.BLOCKED
    }
    blocking = [policy for policy in policies.policies if policy.name in said]
    return Stop.SIGN_IN if all(policy.sign_in_risk for policy in blocking) else Stop.RULE
