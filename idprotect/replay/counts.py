"""The counts of a replay, bounded: attackers choose addresses and browsers, and must not choose how much is kept."""

from idprotect.risk.population import TOTAL, Change, Count, MemoryCounts

#: Some 200 MB.
MOST_COUNTS = 400_000


class BoundedCounts(MemoryCounts):
    """Forgets what says least once there are too many: what was seen once, long ago, before what is seen by many."""

    def __init__(self, most: int = MOST_COUNTS) -> None:
        super().__init__()
        self._most = most

    def write(self, at: float, added: list[Change]) -> None:
        """Add what happened."""
        super().write(at, added)
        if len(self.counts) > self._most:
            self._prune(at)

    def _prune(self, now: float) -> None:
        """Keep the weightier half, and the count of all, which is in the way of nobody."""
        for count in self.counts.values():
            count.move_to(now)
        heaviest = sorted(self.counts, key=lambda key: _weight(self.counts[key]), reverse=True)
        kept = {TOTAL, *heaviest[: self._most // 2]}
        self.counts = {key: count for key, count in self.counts.items() if key in kept}


def _weight(count: Count) -> float:
    return count.ok + count.users + count.failed + count.accounts
