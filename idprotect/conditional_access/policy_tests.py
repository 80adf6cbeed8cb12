"""Policy tests: example sign-ins with what has to come of them, run before policies are put into force."""

from collections.abc import Mapping
from typing import Any

from idprotect.conditional_access.decision import OUTCOMES, Decision, Outcome
from idprotect.conditional_access.evaluation import evaluate
from idprotect.conditional_access.facts import AccessRequest
from idprotect.conditional_access.policy import PolicySet, PolicyTest

_AT = "2026-01-01T12:00:00+00:00"
_HARMLESS = {
    "at": _AT,
    "signed_in_at": _AT,
    "authenticated_at": _AT,
    "user_id": "example",
    "username": "example",
    "client_id": "example",
}
_POLICY_OUTCOMES = {*Outcome, *(f"would_{outcome}" for outcome in Outcome)}


def example_facts(given: Mapping[str, Any]) -> AccessRequest:
    """Return the facts of an example, with harmless values for what it leaves out.

    :raises ValueError: when they are not facts.
    """
    risk_at = {f"{risk}_at": _AT for risk in ("session_risk", "user_risk") if risk in given}
    try:
        return AccessRequest.from_dict({**_HARMLESS, **risk_at, **given})
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"the facts are not valid: {error}") from None


def example_problems(test: PolicyTest) -> list[str]:
    """Return why an example could never be run or hold."""
    problems = []
    try:
        example_facts(test.facts)
    except ValueError as error:
        problems.append(str(error))
    if test.expect not in OUTCOMES:
        problems.append(f"'expect' must be one of {', '.join(OUTCOMES)}")
    for word in test.policies.values():
        if word not in _POLICY_OUTCOMES:
            problems.append(f"'policies' has no outcome {word!r}")
    return problems


def failed_tests(policies: PolicySet, tests: tuple[PolicyTest, ...] | None = None) -> list[str]:
    """Run examples and return a line for each that does not hold.

    :param tests: others than those that are stored with the policies.
    """
    failures = []
    for test in policies.tests if tests is None else tests:
        decision = evaluate(policies, example_facts(test.facts))
        failures += [f"{test.name}: {difference}" for difference in _differences(test, decision)]
    return failures


def _differences(test: PolicyTest, decision: Decision) -> list[str]:
    said = {result.policy: result.word for result in decision.results}
    differences = []
    if decision.outcome != test.expect:
        differences.append(f"expected {test.expect}, got {decision.outcome}")
    for policy, expected in test.policies.items():
        if said.get(policy) != expected:
            differences.append(
                f"policy {policy} should say {expected}, but says {said.get(policy, 'nothing')}"
            )
    return differences
