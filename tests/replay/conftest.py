"""A log to replay: people at home, and somebody who has a password of theirs."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import settings

from idprotect.cli import idprotect
from idprotect.intelligence import sample

settings.register_profile("replay", deadline=None)
settings.load_profile("replay")

START = 1_767_600_000.0
HOUR, DAY = 3600.0, 86400.0
LONDON, SYDNEY, CLOUD = "198.51.100.7", "240.2.3.4", "203.0.113.9"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:132.0) Gecko/20100101 Firefox/132.0"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"

Message = dict[str, Any]
Replayed = Callable[..., Result]


def hello(**other: Any) -> Message:
    """Return the first message of the protocol, with the sample world's data."""
    folder = sample.FOLDER
    files = {
        "city_mmdb": str(folder / "city.mmdb"),
        "asn_mmdb": str(folder / "asn.mmdb"),
        "lists": str(folder),
    }
    return {"type": "hello", "protocol": 1, "start": START} | files | other


def attempt(event_id: int | str, at: float, user: str | None = "ada", **other: Any) -> Message:
    """Return an attempt with the right password from home."""
    known = {"ip": LONDON, "ua": MAC, "device_cookie": f"cookie-of-{user}", "password_ok": True}
    said = {"type": "attempt", "event_id": event_id, "ts": START + at, "kind": "password", "user": user}
    return said | known | other


def outcome(event_id: int | str, result: str = "success", **other: Any) -> Message:
    """Return what came of an attempt."""
    return {"type": "outcome", "event_id": event_id, "result": result} | other


def sign_ins(user: str = "ada", days: int = 12) -> Iterator[Message]:
    """Yield a habit: one good sign-in each day at home."""
    for day in range(days):
        event_id = f"{user}-{day}"
        yield attempt(event_id, day * DAY, user)
        yield outcome(event_id, device_cookie=f"cookie-of-{user}", session=f"session-{event_id}")


def stranger(event_id: int | str, at: float, **other: Any) -> Message:
    """Return an attempt from the other end of the world, with nothing that the user is known by."""
    return attempt(event_id, at, **({"ip": SYDNEY, "ua": WINDOWS, "device_cookie": None} | other))


def lines(messages: Iterable[Message]) -> bytes:
    """Write a log."""
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def answers(result: Result) -> list[Any]:
    """Read what was said."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def by_event(result: Result) -> dict[Any, Any]:
    """Read what was said of each event."""
    return {answer["event_id"]: answer for answer in answers(result)}


@pytest.fixture
def replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replayed:
    """Return a function that replays a log where no server is configured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLASK_APP", raising=False)

    def replay(log: bytes | Iterable[Message], *arguments: str) -> Result:
        given = log if isinstance(log, bytes) else lines(log)
        return CliRunner().invoke(idprotect, ["replay", *arguments], input=given, catch_exceptions=False)

    return replay
