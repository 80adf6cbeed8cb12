"""What the administrator demands: conditional access, as pure functions over plain values."""

from idprotect.conditional_access.decision import OUTCOMES, Decision, Outcome, PolicyResult, Reason, Step
from idprotect.conditional_access.document import parse_policies, parse_tests
from idprotect.conditional_access.evaluation import BY_DOCUMENT, CONDITIONS, evaluate, skip_days_left
from idprotect.conditional_access.facts import AcceptedTerms, AccessRequest
from idprotect.conditional_access.policy import (
    Control,
    Location,
    Policy,
    PolicySet,
    PolicyState,
    PolicyTest,
    Selection,
    Strength,
    Unregistered,
    validity_problems,
)
from idprotect.conditional_access.policy_tests import example_facts, failed_tests

__all__ = [
    "BY_DOCUMENT",
    "CONDITIONS",
    "OUTCOMES",
    "AcceptedTerms",
    "AccessRequest",
    "Control",
    "Decision",
    "Location",
    "Outcome",
    "Policy",
    "PolicyResult",
    "PolicySet",
    "PolicyState",
    "PolicyTest",
    "Reason",
    "Selection",
    "Step",
    "Strength",
    "Unregistered",
    "evaluate",
    "example_facts",
    "failed_tests",
    "parse_policies",
    "parse_tests",
    "skip_days_left",
    "validity_problems",
]
