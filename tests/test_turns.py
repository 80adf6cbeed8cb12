"""Requests of one process take turns, but nobody waits for a slow one."""

import threading
from typing import Any

import pytest

from idprotect import turns as module
from idprotect.turns import Turns

SECONDS = 30


def test_quick_requests_come_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT", SECONDS)  # on a busy machine nothing is quick
    inside, most = 0, 0

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.001)  # as for a database, while others could run
        inside -= 1
        return [b"done"]

    turns = Turns(application)
    crowd = [threading.Thread(target=lambda: [turns({}, None) for _ in range(20)]) for _ in range(4)]  # type: ignore[arg-type]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join(SECONDS)

    assert most == 1


def test_a_slow_request_is_passed_by() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/slow":
            begun.set()
            assert go_on.wait(SECONDS)
        return [environ["PATH_INFO"].encode()]

    turns = Turns(application)
    slow = threading.Thread(target=turns, args=({"PATH_INFO": "/slow"}, None))
    slow.start()
    assert begun.wait(SECONDS)

    answered = turns({"PATH_INFO": "/quick"}, None)  # type: ignore[arg-type]

    assert list(answered) == [b"/quick"]
    assert slow.is_alive()
    go_on.set()
    slow.join(SECONDS)
    assert list(turns({"PATH_INFO": "/next"}, None)) == [b"/next"]  # type: ignore[arg-type]
