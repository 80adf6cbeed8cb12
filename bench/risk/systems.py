"""What is measured, each behind the scorer's three calls: assess, outcome, feedback."""

import sys
from pathlib import Path
from time import process_time
from typing import Any

from bench.risk.data import hello
from idprotect.replay import Replay, World
from idprotect.replay.log import Listener
from idprotect.replay.problems import Problems

LEVELS = ("none", "low", "medium", "high")
Answer = tuple[float, int, list[str], int]


class Idprotect:
    """The engine in this process, by the messages of the protocol.

    :ivar cpu: seconds spent in it.
    """

    name = "idprotect"

    def __init__(
        self, log: Path, dataset: Any, listener: Listener | None = None, world: World | None = None
    ) -> None:
        self.cpu = 0.0
        self.replay = Replay(world or World(), Problems(sys.stderr), listener)
        self.replay.hear(hello(log, dataset))

    def assess(self, event: dict[str, Any]) -> Answer:
        """Judge an attempt."""
        said = self._hear({"type": "attempt", **event})
        return said["score"], LEVELS.index(said["level"]), said["reasons"], LEVELS.index(said["user_level"])

    def outcome(self, _event: dict[str, Any], outcome: dict[str, Any]) -> None:
        """Say what came of it."""
        self._hear({"type": "outcome", **outcome})

    def feedback(self, verdict: dict[str, Any]) -> None:
        """Pass a verdict on."""
        self._hear({"type": "feedback", **verdict})

    def _hear(self, message: dict[str, Any]) -> Any:
        began = process_time()
        said = self.replay.hear(message)
        self.cpu += process_time() - began
        return said
