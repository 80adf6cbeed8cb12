"""What policies on trial would have done to the sign-ins of a log, in the four outcomes of report-only."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from idprotect.conditional_access import Outcome, PolicyResult
from idprotect.insights.log import Entry, by_sign_in


class Effect(StrEnum):
    """What a policy on trial would have done, from harmless to hard."""

    NOT_APPLIED = "not_applied"
    SUCCESS = "success"
    ACTION_REQUIRED = "action_required"
    FAILURE = "failure"


_EFFECTS: Mapping[Outcome, Effect] = {
    Outcome.NOT_APPLIED: Effect.NOT_APPLIED,
    Outcome.ALLOWED: Effect.SUCCESS,
    Outcome.MFA_SATISFIED: Effect.SUCCESS,
    Outcome.BLOCKED: Effect.FAILURE,
}
_HARDNESS = list(Effect)


def effect_of(result: PolicyResult) -> Effect:
    """Return what a result means to the person."""
    return _EFFECTS.get(result.outcome, Effect.ACTION_REQUIRED)


def effects(entries: Iterable[Entry]) -> dict[str, Counter[Effect]]:
    """Count, for each policy that was on trial, the sign-ins by what it would have done to them at its hardest."""
    counted: dict[str, Counter[Effect]] = {}
    for group in by_sign_in(entries):
        for policy, effect in _hardest(group).items():
            counted.setdefault(policy, Counter())[effect] += 1
    return counted


def _hardest(group: list[Entry]) -> dict[str, Effect]:
    found: dict[str, Effect] = {}
    for result in (result for entry in group for result in entry.before.results if not result.enforced):
        effect = effect_of(result)
        found[result.policy] = max(effect, found.get(result.policy, effect), key=_HARDNESS.index)
    return found
