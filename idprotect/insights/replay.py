"""Runs a draft over a log: which sign-ins change, for whom, and how often people would be asked for something.

Memory grows with the number of users and not with that of sign-ins.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from idprotect.conditional_access import Decision, Outcome, PolicySet, Step
from idprotect.insights.log import PROMPTS, Entry, by_sign_in

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Course:
    """How a sign-in went: what came of it at its worst, and what the person was asked for."""

    outcome: str
    prompts: frozenset[Step]

    @classmethod
    def of(cls, decisions: Sequence[Decision]) -> "Course":
        """Sum up what was decided during one sign-in: a block outweighs, else the first that was not an allow."""
        words = [decision.outcome for decision in decisions if not decision.allowed]
        blocked = str(Outcome.BLOCKED)
        outcome = blocked if blocked in words else next(iter(words), str(Outcome.ALLOWED))
        steps = {step for decision in decisions for step in decision.steps}
        return cls(outcome, frozenset(steps & PROMPTS))


@dataclass(frozen=True, slots=True)
class Judged:
    """One sign-in, as it was and as it would be.

    :param reference: of the receipt at which they part.
    :param policies: those of the draft that ask for something there.
    """

    sign_in_id: str
    username: str
    client_id: str
    at: datetime
    before: Course
    after: Course
    reference: str
    policies: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether somebody would notice."""
        return self.before != self.after

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "sign_in": self.sign_in_id,
            "user": self.username,
            "client": self.client_id,
            "at": self.at.isoformat(),
            "before": self.before.outcome,
            "after": self.after.outcome,
            "policies": list(self.policies),
            "reference": self.reference,
        }


def replay(draft: PolicySet, entries: Iterable[Entry]) -> Iterator[Judged]:
    """Judge each sign-in of a log again, by the evaluator that is live."""
    for group in by_sign_in(entries):
        yield _judged(group, [entry.under(draft) for entry in group])


def _judged(group: list[Entry], after: list[Decision]) -> Judged:
    parting = next(
        (place for place, entry in enumerate(group) if entry.before.steps != after[place].steps), 0
    )
    request = group[parting].request
    return Judged(
        sign_in_id=group[0].sign_in_id,
        username=request.username,
        client_id=request.client_id,
        at=request.at,
        before=Course.of([entry.before for entry in group]),
        after=Course.of(after),
        reference=group[parting].reference,
        policies=_asking(after[parting]),
    )


def _asking(decision: Decision) -> tuple[str, ...]:
    silent = (Outcome.NOT_APPLIED, Outcome.ALLOWED, Outcome.MFA_SATISFIED)
    return tuple(r.policy for r in decision.results if r.enforced and r.outcome not in silent)


@dataclass
class Prompts:
    """How often one user was asked for something, and would be."""

    before: int = 0
    after: int = 0
    changed: int = 0
    stopped: int = 0


@dataclass
class Report:
    """What a draft would have changed.

    :ivar changes: (before, after) → how many sign-ins.
    :ivar newest: the newest sign-ins that change, *most* of them.
    """

    most: int = 50
    sign_ins: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    users: dict[str, Prompts] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    _newest: list[tuple[datetime, int, Judged]] = field(default_factory=list)
    _asked_for_terms: set[tuple[str, str]] = field(default_factory=set)
    _order: Iterator[int] = field(default_factory=count)

    @classmethod
    def of(cls, judged: Iterable[Judged], most: int = 50) -> "Report":
        """Sum a replay up."""
        report = cls(most)
        for one in judged:
            report.add(one)
        return report

    def add(self, judged: Judged) -> None:
        """Count one sign-in."""
        self.sign_ins += 1
        self.first = min(self.first or judged.at, judged.at)
        self.last = max(self.last or judged.at, judged.at)
        prompts = self.users.setdefault(judged.username, Prompts())
        prompts.before += self._prompts(judged.before, "before", judged.username)
        prompts.after += self._prompts(judged.after, "after", judged.username)
        if judged.changed:
            self._count_change(judged, prompts)

    def _prompts(self, course: Course, side: str, username: str) -> int:
        """Count what somebody is asked for; terms of use once a person, because they are accepted then."""
        if Step.TERMS_OF_USE not in course.prompts:
            return len(course.prompts)
        asked_before = (side, username) in self._asked_for_terms
        self._asked_for_terms.add((side, username))
        return len(course.prompts) - asked_before

    def _count_change(self, judged: Judged, prompts: Prompts) -> None:
        prompts.changed += 1
        self.changes[judged.before.outcome, judged.after.outcome] += 1
        blocked = str(Outcome.BLOCKED)
        prompts.stopped += judged.after.outcome == blocked != judged.before.outcome
        heapq.heappush(self._newest, (judged.at, next(self._order), judged))
        if len(self._newest) > self.most:
            heapq.heappop(self._newest)

    @property
    def newest(self) -> list[Judged]:
        """The newest sign-ins that change, newest first."""
        return [judged for _, _, judged in sorted(self._newest, reverse=True)]

    @property
    def weeks(self) -> float:
        """How long the log is; a week at least, lest a few busy hours look like many prompts a week."""
        if self.first is None or self.last is None:
            return 1.0
        return max(1.0, (self.last - self.first) / WEEK)

    @property
    def prompts_per_user_and_week(self) -> dict[str, float]:
        """How often a user is asked for something in a week, before and after."""
        before = sum(prompts.before for prompts in self.users.values())
        after = sum(prompts.after for prompts in self.users.values())
        user_weeks = self.weeks * max(1, len(self.users))
        return {"before": round(before / user_weeks, 3), "after": round(after / user_weeks, 3)}

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        affected = {name: prompts for name, prompts in self.users.items() if prompts.changed}
        most_affected = sorted(affected.items(), key=lambda item: (-item[1].changed, item[0]))[: self.most]
        return {
            "sign_ins": self.sign_ins,
            "changed": self.changes.total(),
            "changes": [
                {"before": before, "after": after, "sign_ins": number}
                for (before, after), number in self.changes.most_common()
            ],
            "users": len(self.users),
            "users_affected": len(affected),
            "users_stopped": sum(1 for prompts in affected.values() if prompts.stopped),
            "weeks": round(self.weeks, 2),
            "prompts_per_user_and_week": self.prompts_per_user_and_week,
            "most_affected": [{"user": name} | vars(prompts) for name, prompts in most_affected],
            "newest": [judged.to_dict() for judged in self.newest],
        }
