"""What would come of an imagined sign-in: every policy with its result and every condition that does not hold."""

from dataclasses import dataclass
from typing import Any

from idprotect.conditional_access import (
    AccessRequest,
    Control,
    Decision,
    Outcome,
    Policy,
    PolicyResult,
    PolicySet,
    PolicyState,
    evaluate,
)
from idprotect.conditional_access.policy import OURS
from idprotect.insights.explanation import STATE, why


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """What one policy says.

    :param outcome: with ``would_`` before it when it is not enforced.
    :param unmet: the conditions that do not hold, each with the reason in words.
    """

    name: str
    title: str
    state: str
    outcome: str
    controls: tuple[str, ...]
    reason: str | None
    unmet: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        row: dict[str, Any] = {"policy": self.name, "state": self.state, "outcome": self.outcome}
        if self.reason:
            row["reason"] = self.reason
        return row | ({"unmet": self.unmet} if self.unmet else {"controls": list(self.controls)})


@dataclass(frozen=True, slots=True)
class Answer:
    """What all policies together say, and each of them."""

    decision: Decision
    policies: tuple[PolicyAnswer, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "outcome": self.decision.outcome,
            "reason": str(self.decision.reason) if self.decision.reason else None,
            "steps": [str(step) for step in self.decision.steps],
            "policies": [policy.to_dict() for policy in self.policies],
        }


def what_if(policies: PolicySet, request: AccessRequest) -> Answer:
    """Ask the evaluator that is live, and say why each policy answers as it does."""
    decision = evaluate(policies, request)
    said = {result.policy: result for result in decision.results}
    ours = [policy for policy in OURS if policy.name in said]
    answers = (_answer(p, request, said.get(p.name)) for p in [*policies.policies, *ours])
    return Answer(decision, tuple(answers))


def _answer(policy: Policy, request: AccessRequest, result: PolicyResult | None) -> PolicyAnswer:
    unmet = result.unmet if result is not None else (STATE,)
    return PolicyAnswer(
        name=policy.name,
        title=policy.title,
        state=str(result.state if result is not None else PolicyState.OFF),
        outcome=result.word if result is not None else str(Outcome.NOT_APPLIED),
        controls=(
            *(str(control) for control in Control if control in policy.controls),
            *(f"terms_of_use: {name}" for name in sorted(policy.terms_of_use)),
        ),
        reason=str(result.reason) if result is not None and result.reason else None,
        unmet={condition: why(policy, request, condition) for condition in unmet},
    )
