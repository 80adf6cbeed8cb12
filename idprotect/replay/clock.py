"""The time of a log, which is the only clock of a replay."""

from idprotect.replay.problems import Problems

DAY = 86400.0
#: Nobody leaves a log alone for so long; whatever is later is a mistake, unless the next event agrees.
LONGEST_GAP = 400 * DAY


class Clock:
    """Never runs backward, and does not believe a single leap: one wrong event must not age everything before it.

    :param start: when the log begins, if that is known.
    """

    def __init__(self, start: float | None = None) -> None:
        self.now = start
        self._leap: float | None = None

    def read(self, at: float | None, problems: Problems) -> float:
        """Return the moment of an event that says it happened *at*."""
        if at is None:
            problems.complain("without a time (ts); it is taken as simultaneous with the event before")
            return self.now or 0.0
        if self.now is not None and at < self.now:
            back = self.now - at
            problems.complain(
                f"ts is {back:.0f} seconds before the event before; it is taken as simultaneous"
            )
            return self.now
        if self.now is not None and at - self.now > LONGEST_GAP and not self._is_confirmed(at):
            ahead = (at - self.now) / DAY
            problems.complain(
                f"ts is {ahead:.0f} days ahead; it is taken as simultaneous with the event before"
            )
            self._leap = at
            return self.now
        self.now, self._leap = at, None
        return at

    def _is_confirmed(self, at: float) -> bool:
        return self._leap is not None and abs(at - self._leap) < LONGEST_GAP
