"""What other detectors would have said of a log of sign-ins: judged twice, and only the difference told."""

from collections import Counter, deque
from collections.abc import Iterable
from itertools import tee
from typing import Any

from idprotect.replay.log import Past, Replay, Tried
from idprotect.replay.problems import Problems
from idprotect.replay.world import World
from idprotect.risk import RiskLevel

Answer = dict[str, Any]


class Comparison:
    """The sign-ins that would be judged otherwise.

    :param since: earlier sign-ins (seconds since 1970) teach what is familiar, and are not counted.
    :param most: so many sign-ins are named, the newest.
    """

    def __init__(self, since: float, most: int = 20) -> None:
        self._since = since
        self._sign_ins = 0
        self._more: Counter[str] = Counter()
        self._fewer: Counter[str] = Counter()
        self._moves: Counter[tuple[RiskLevel, RiskLevel]] = Counter()
        self._changed: deque[Answer] = deque(maxlen=most)

    def run(self, log: Iterable[Past], now: World, then: World, problems: Problems) -> None:
        """Judge a log by two worlds side by side. Each learns for itself; what came of the sign-ins is as it was."""
        entries, *logs = tee(log, 3)
        tried = (entry for entry in entries if isinstance(entry, Tried))
        answers = [Replay(world, problems).past(part) for world, part in zip((now, then), logs, strict=True)]
        for entry, before, after in zip(tried, *answers, strict=True):
            # A wrong password raises nothing, whatever its score; and the use of a session is no sign-in.
            if entry.attempt.at >= self._since and entry.attempt.password_ok:
                self._add(before, after)

    def to_dict(self) -> dict[str, Any]:
        """Return how much changes: by detection, by level, and which sign-ins these are."""
        names = sorted(self._more.keys() | self._fewer.keys())
        return {
            "sign_ins": self._sign_ins,
            "detections": {name: {"more": self._more[name], "fewer": self._fewer[name]} for name in names},
            "levels": [
                {"from": before.label, "to": after.label, "sign_ins": count}
                for (before, after), count in sorted(self._moves.items())
            ],
            "medium_or_above": {
                "more": sum(n for (old, new), n in self._moves.items() if old < RiskLevel.MEDIUM <= new),
                "fewer": sum(n for (old, new), n in self._moves.items() if new < RiskLevel.MEDIUM <= old),
            },
            "newest": list(reversed(self._changed)),
        }

    def _add(self, before: Answer, after: Answer) -> None:
        self._sign_ins += 1
        found, would_find = _found(before), _found(after)
        self._more.update(would_find - found)
        self._fewer.update(found - would_find)
        if before["level"] != after["level"]:
            self._moves[RiskLevel.parse(before["level"]), RiskLevel.parse(after["level"])] += 1
            self._changed.append(
                {"sign_in": after["event_id"], "from": before["level"], "to": after["level"]}
            )


def _found(answer: Answer) -> set[str]:
    """Return the names of what was found; not what found nothing or could not look."""
    return {name for name, said in answer["detections"].items() if said and "level" in said}
