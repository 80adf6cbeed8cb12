"""Plays a log to the engine, message by message: attempts are answered, outcomes and verdicts are learnt."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idprotect.replay import fields
from idprotect.replay.answers import answer
from idprotect.replay.attempts import Attempts
from idprotect.replay.clock import Clock
from idprotect.replay.engine import Engine, Judged
from idprotect.replay.problems import Problems
from idprotect.replay.standing import EventId
from idprotect.replay.world import Files, World
from idprotect.risk import Attempt, Result

Message = Mapping[str, Any]
#: Told of each attempt; returns what to add to its answer.
Listener = Callable[[Judged, Message], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt as a server has stored it.

    :param at: when it was judged.
    """

    at: datetime
    event_id: EventId
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Came:
    """What came of an attempt, maybe much later.

    :param device: the browser that became familiar by it.
    :param session: the session that was begun.
    """

    at: datetime
    event_id: EventId
    result: Result
    device: str | None = None
    session: str | None = None


Past = Tried | Came


class Replay:
    """One replay of one log.

    :param world: what to judge by; a log's hello may name data files instead of its own.
    """

    def __init__(self, world: World, problems: Problems, listener: Listener | None = None) -> None:
        self.problems = problems
        self.events = 0
        self._listener = listener
        self._clock = Clock()
        self._begin(world)
        self._readers: Mapping[str, Callable[[Message], dict[str, Any] | None]] = {
            "hello": self._hello,
            "attempt": self._attempt,
            "outcome": self._outcome,
            "feedback": self._feedback,
        }

    def answers(self, messages: Iterable[Message]) -> Iterator[dict[str, Any]]:
        """Yield one answer for each attempt, before anything after it is read."""
        for message in messages:
            if (said := self.hear(message)) is not None:
                yield said

    def past(self, entries: Iterable[Past]) -> Iterator[dict[str, Any]]:
        """Yield one answer for each attempt that a server has stored."""
        for entry in entries:
            if isinstance(entry, Tried):
                yield self._judge(entry.event_id, entry.attempt, {})
            else:
                self._engine.settle(entry.event_id, entry.result, device=entry.device, session=entry.session)

    def hear(self, message: Message) -> dict[str, Any] | None:
        """Take one message; return the answer if it is an attempt."""
        # A line of a log without types is an attempt.
        kind = message.get("type", "attempt")
        reader = self._readers.get(kind) if isinstance(kind, str) else None
        if reader is None:
            self.problems.complain(f"unknown type {str(kind)[:40]!r}")
            return None
        return reader(message)

    def _begin(self, world: World) -> None:
        self._world = world
        self._engine = Engine(world)
        self._attempts = Attempts(world.intelligence)

    def _hello(self, message: Message) -> None:
        known = fields.known(message, fields.HELLO, self.problems)
        if self.events:
            self.problems.complain("a hello after the first attempt is ignored")
            return
        self._clock = Clock(known.get("start"))
        files = Files(known.get("city_mmdb"), known.get("asn_mmdb"), known.get("lists"))
        if files != Files():
            self._begin(self._world.with_files(files, self.problems))

    def _attempt(self, message: Message) -> dict[str, Any] | None:
        known = fields.known(message, fields.ATTEMPT, self.problems)
        if (event_id := known.get("event_id")) is None:
            self.problems.complain("an attempt without event_id is not judged")
            return None
        attempt = self._attempts.read(known, self._clock.read(known.get("ts"), self.problems), self.problems)
        said = self._judge(event_id, attempt, known)
        if (outcome := known.get("outcome")) is not None:
            self._outcome({**outcome, "event_id": event_id})
        return said

    def _judge(self, event_id: EventId, attempt: Attempt, message: Message) -> dict[str, Any]:
        self.events += 1
        judged = self._engine.judge(event_id, attempt)
        said = answer(judged, self._engine.detectors(attempt))
        if self._listener is not None:
            said |= self._listener(judged, message)
        return said

    def _outcome(self, message: Message) -> None:
        known = fields.known(message, fields.OUTCOME, self.problems)
        event_id, result = known.get("event_id"), known.get("result")
        if event_id is None or result is None:
            self.problems.complain("an outcome without event_id or result teaches nothing")
            return
        if result != Result.FAILURE and self._engine.awaits_failure(event_id):
            self.problems.complain(f"event {event_id!r} had a wrong password; {result} is taken as a failure")
            result = Result.FAILURE
        device, session = known.get("device_cookie"), known.get("session")
        if not self._engine.settle(event_id, Result(result), device=device, session=session):
            self.problems.complain(f"an outcome of event {event_id!r}, of which none is awaited")

    def _feedback(self, message: Message) -> None:
        known = fields.known(message, fields.FEEDBACK, self.problems)
        event_id, verdict = known.get("event_id"), known.get("verdict")
        if event_id is None or verdict is None:
            self.problems.complain("feedback without event_id or verdict teaches nothing")
            return
        engine = self._engine
        take = engine.confirm_compromised if verdict == "compromised" else engine.confirm_safe
        if not take(event_id):
            self.problems.complain(f"feedback about event {event_id!r}, which is not remembered")
