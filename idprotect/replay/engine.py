"""The risk engine with a memory of its own: judges attempts, and learns from what came of them.

What judging and learning mean stands in :mod:`idprotect.risk`, and is the same live. Here is only what is kept between
two events: profiles, counts, what is open, and which attempts an outcome or a verdict may still be about.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TypeVar

from msgspec import Struct

from idprotect.replay.counts import BoundedCounts
from idprotect.replay.profiles import Profiles
from idprotect.replay.standing import EventId, Standings
from idprotect.replay.world import World
from idprotect.risk import (
    About,
    Assessment,
    Attempt,
    Detector,
    Kind,
    OpenSignIn,
    Profile,
    Result,
    RiskLevel,
    Signals,
    assess,
    changes,
    ended_well,
    learn,
    sign_in_risk,
)
from idprotect.risk.detections.failed_challenge import failed_challenge

T = TypeVar("T")

#: Outcomes come right after their attempts; one that comes later than so many others is not waited for.
MOST_PENDING = 1024
#: Verdicts come days later: as many events back as an attempt can be found for one.
MOST_REMEMBERED = 200_000


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of one attempt.

    :param user_level: the user's risk, this attempt included.
    :param user_level_before: the user's risk without it.
    """

    event_id: EventId
    signals: Signals
    assessment: Assessment
    user_level: RiskLevel
    user_level_before: RiskLevel

    @property
    def attempt(self) -> Attempt:
        """What was judged."""
        return self.signals.attempt


class Remembered(Struct, frozen=True, gc=False):
    """What a verdict may be about.

    :param attempt: None where it ended well: then it has taught all that it can.
    """

    user: str
    at: float
    attempt: Attempt | None


class Engine:
    """Judges one event after the other, and forgets what no longer matters."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.profiles = Profiles()
        self._counts = BoundedCounts()
        self._standings = Standings()
        self._pending: OrderedDict[EventId, tuple[Attempt, Assessment]] = OrderedDict()
        self._remembered: OrderedDict[EventId, Remembered] = OrderedDict()

    def judge(self, event_id: EventId, attempt: Attempt) -> Judged:
        """Say what is believed of an attempt. Nothing is learnt before its outcome."""
        signals = Signals.of(
            attempt,
            self._profile(attempt),
            self._counts.read(attempt),
            learning=self.world.learning,
            trusted_location=self.world.trusted_location(attempt),
        )
        assessment = _cautious(assess(signals, self.detectors(attempt)))
        before = self._user_level(attempt)
        if attempt.password_ok is not False:
            self._open(event_id, attempt, assessment)
        _keep(self._pending, event_id, (attempt, assessment), MOST_PENDING)
        return Judged(event_id, signals, assessment, self._user_level(attempt), before)

    def awaits_failure(self, event_id: EventId) -> bool:
        """Whether an attempt with a wrong password has no outcome yet: there is only one that it can have."""
        return event_id in self._pending and self._pending[event_id][0].password_ok is False

    def settle(
        self, event_id: EventId, result: Result, *, device: str | None = None, session: str | None = None
    ) -> bool:
        """Learn what came of an attempt; return False when no outcome of it is awaited.

        :param device: the device cookie that was set.
        :param session: the session that was begun.
        """
        attempt, assessment = self._pending.pop(event_id, (None, None))
        if attempt is None or assessment is None:
            return False
        profile, level = self._profile(attempt), assessment.level
        device = device or attempt.device
        # What is new to the user is so before it is learnt.
        added = changes(attempt, result, level, profile if attempt.user else None, device)
        self._counts.write(attempt.at, added)
        if attempt.user is not None:
            if attempt.kind is Kind.PASSWORD:
                self._settle_risk(attempt.user, event_id, assessment, result)
            learn(profile, attempt, result, level, self.world.learning, device=device, session=session)
            has_taught = ended_well(result, level)
            remembered = Remembered(attempt.user, attempt.at, None if has_taught else attempt)
            _keep(self._remembered, event_id, remembered, MOST_REMEMBERED)
        return True

    def confirm_compromised(self, event_id: EventId) -> bool:
        """Take an attempt for an intruder's; return False when it is not remembered."""
        if (remembered := self._remembered.get(event_id)) is None:
            return False
        self.profiles.of(remembered.user).forget_since(remembered.at)
        self._standings.accuse(remembered.user, RiskLevel.HIGH)
        return True

    def confirm_safe(self, event_id: EventId) -> bool:
        """Take an attempt for its owner's; return False when it is not remembered."""
        if (remembered := self._remembered.get(event_id)) is None:
            return False
        self._standings.close(remembered.user, event_id)
        if remembered.attempt is not None and remembered.attempt.kind is Kind.PASSWORD:
            self.profiles.of(remembered.user).confirm(remembered.attempt)
        return True

    def _profile(self, attempt: Attempt) -> Profile:
        return self.profiles.of(attempt.user) if attempt.user is not None else Profile()

    def detectors(self, attempt: Attempt) -> tuple[Detector, ...]:
        """Return who is asked about an attempt."""
        if attempt.kind is Kind.SESSION:
            return tuple(self.world.session_detections)
        if attempt.password_ok is False:
            return tuple(self.world.failure_detections)
        return tuple(self.world.detections)

    def _user_level(self, attempt: Attempt) -> RiskLevel:
        return self._standings.level(attempt.user) if attempt.user is not None else RiskLevel.NONE

    def _open(self, event_id: EventId, attempt: Attempt, assessment: Assessment) -> None:
        """Let what was found count against the user: a wrong password never does."""
        if attempt.user is None:
            return
        # A session that looks risky is ended: nothing of it stays open but what was found about its user.
        if assessment.level and attempt.kind is Kind.PASSWORD:
            self._standings.open(attempt.user, event_id, OpenSignIn(assessment.level, completed=False))
        for finding in assessment.findings:
            if finding.about is About.USER:
                self._standings.accuse(attempt.user, finding.level)

    def _settle_risk(self, user: str, event_id: EventId, assessment: Assessment, result: Result) -> None:
        level = assessment.level
        if result is Result.FAILURE or not level:
            return
        if result is Result.CHALLENGE_PASSED:
            self._standings.close(user, event_id)
        elif result is Result.SUCCESS:
            self._standings.open(user, event_id, OpenSignIn(level, completed=True))
        elif result is Result.CHALLENGE_FAILED:
            level = sign_in_risk((level, failed_challenge(1).level))
            self._standings.open(user, event_id, OpenSignIn(level, completed=False))


def _cautious(assessment: Assessment) -> Assessment:
    """Return the assessment, high where a detector failed: what could not be looked at is never safe."""
    return replace(assessment, level=RiskLevel.HIGH) if assessment.failed else assessment


def _keep(kept: OrderedDict[EventId, T], key: EventId, value: T, most: int) -> None:
    """Let the oldest go; a plain dict would look for it among all that went before."""
    kept[key] = value
    if len(kept) > most:
        kept.popitem(last=False)
