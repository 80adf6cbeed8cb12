"""Policy tests: example sign-ins with what has to come of them, run before policies are put into force."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from idprotect.conditional_access.decision import OUTCOMES, Decision, Outcome
from idprotect.conditional_access.evaluation import evaluate
from idprotect.conditional_access.facts import AcceptedTerms, AccessRequest
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
        facts = AccessRequest.from_dict({**_HARMLESS, **risk_at, **given})
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"the facts are not valid: {error}") from None
    if wrong := [
        field
        for field, kind in AccessRequest.__annotations__.items()
        if not _fits(getattr(facts, field), kind)
    ]:
        raise ValueError(f"the facts are not valid: {', '.join(wrong)}")
    return facts


def _fits(value: Any, kind: Any) -> bool:
    """Whether a fact is of its kind: a moment has a time zone, and a text can be printed."""
    if isinstance(value, tuple):
        return all(
            _fits(getattr(one, field), part)
            for one in value
            for field, part in AcceptedTerms.__annotations__.items()
        )
    if kind == frozenset[str]:
        return isinstance(value, frozenset) and all(_fits(one, str) for one in value)
    if isinstance(value, str):
        return isinstance(value, kind) and value.isprintable()
    return isinstance(value, kind) and not (isinstance(value, datetime) and value.tzinfo is None)


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
        if not isinstance(word, str) or word not in _POLICY_OUTCOMES:
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
