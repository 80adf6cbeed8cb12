"""What code demands for a view of a host application, beside and above the policies."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from idprotect.conditional_access import AccessRequest, PolicySet, evaluate
from idprotect.risk import RiskLevel
from tests.conditional_access.strategies import access_requests, policy_sets


@given(policy_sets, access_requests)
def test_a_page_for_two_factors_is_shown_to_nobody_with_less(
    policies: PolicySet, request: AccessRequest
) -> None:
    """D20: whatever the policies say, in an emergency and to break-glass accounts, too."""
    decision = evaluate(policies, replace(request, mfa_demanded=True))
    if decision.allowed:
        assert request.registered
        assert request.mfa_at is not None


@given(policy_sets, access_requests, st.sampled_from([level for level in RiskLevel if level]))
def test_a_page_below_a_level_is_shown_to_nobody_above_without_the_cure(
    policies: PolicySet, request: AccessRequest, limit: RiskLevel
) -> None:
    """D20: user risk is cured by a password change or recovery after it arose, a risky sign-in by a second factor."""
    decision = evaluate(policies, replace(request, risk_limit=limit))
    if not decision.allowed:
        return
    if request.user_risk >= limit:
        assert request.mfa_at is not None
        assert request.recovered_at is not None
        assert request.recovered_at >= request.user_risk_at
    if max(request.sign_in_risk, request.session_risk) >= limit:
        assert request.mfa_at is not None


@given(policy_sets, access_requests)
def test_a_page_without_a_demand_is_judged_by_the_policies_alone(
    policies: PolicySet, request: AccessRequest
) -> None:
    """The demands of other pages are not looked at."""
    names = {result.policy for result in evaluate(policies, request).results}
    assert not any(name.startswith("(page") for name in names)
