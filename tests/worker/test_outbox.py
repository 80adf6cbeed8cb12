"""The outbox: what is wrong with one delivery keeps no other waiting."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from idprotect import deliveries
from idprotect.deliveries import WAITS, Kind
from idprotect.models import Delivery, session
from idprotect.senders import SendError
from tests.oidc.server import Server


def _broken(_delivery: Delivery) -> Callable[[], str]:
    raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no text")


def _breaks_on_the_way(_delivery: Delivery) -> Callable[[], str]:
    def send() -> str:
        raise RuntimeError("a library met with what it does not know")

    return send


@pytest.mark.parametrize(
    ("prepare", "answer"), [(_broken, "UnicodeEncodeError"), (_breaks_on_the_way, "RuntimeError")]
)
def test_a_delivery_that_cannot_be_made_is_given_up_and_stops_nobody(
    server: Server, prepare: Callable[[Delivery], Callable[[], str]], answer: str
) -> None:
    """C018, C093: it is tried as often as any other, the class of the error is its answer, and the others go out."""
    told: list[str] = []
    kinds = {
        "bad": Kind(prepare, given_up=lambda delivery: told.append(delivery.id)),
        "good": Kind(lambda _delivery: lambda: "taken"),
    }
    with server.arranging():
        bad = deliveries.put("bad", "somebody", {})
    for wait in (*WAITS, timedelta()):
        with server.arranging():
            good = deliveries.put("good", "somebody else", {})
        with server.arranging():
            assert deliveries.deliver_due(kinds) == {"delivered": 1, "failed": 1}
            assert session().get_one(Delivery, good).state == "delivered"
        server.clock.move(seconds=wait.total_seconds() + 1)
    with server.arranging():
        row = session().get_one(Delivery, bad)
        assert (row.state, row.answer, row.tries) == ("given up", answer, len(WAITS) + 1)
    assert told == [bad]


@pytest.mark.parametrize(("seconds", "sent_at_once"), [(0.0, 3), (4.0, 1)])
def test_who_is_slow_has_a_tenth_of_a_worker_s_time(
    server: Server, monkeypatch: pytest.MonkeyPatch, seconds: float, sent_at_once: int
) -> None:
    """C093: what else waits for them waits, and nobody else does."""
    taken: list[str] = []
    at = [0.0]
    monkeypatch.setattr(deliveries.time, "monotonic", lambda: at[0])

    def prepare(delivery: Delivery) -> Callable[[], str]:
        def send() -> str:
            at[0] += seconds if delivery.recipient == "slow" else 0.0
            taken.append(delivery.recipient)
            return "taken"

        return send

    with server.arranging():
        for recipient in ("slow", "slow", "slow", "quick", "quick"):
            deliveries.put("any", recipient, {})
    with server.arranging():
        deliveries.deliver_due({"any": Kind(prepare)})
    assert (taken.count("slow"), taken.count("quick")) == (sent_at_once, 2)
    for _ in range(2):
        server.clock.move(seconds=9 * seconds + 1)
        with server.arranging():
            deliveries.deliver_due({"any": Kind(prepare)})
    assert taken.count("slow") == 3


def test_who_fails_is_asked_once_a_pause_however_much_waits(server: Server) -> None:
    """C093: it is always the oldest, so that it is given up in the end."""
    tried: list[str] = []
    given_up: list[str] = []

    def prepare(delivery: Delivery) -> Callable[[], str]:
        def send() -> str:
            tried.append(delivery.id)
            raise SendError("503")

        return send

    kinds = {"any": Kind(prepare, given_up=lambda delivery: given_up.append(delivery.id))}
    with server.arranging():
        oldest = deliveries.put("any", "away", {})
    server.clock.move(seconds=1)
    with server.arranging():
        others = [deliveries.put("any", "away", {}) for _ in range(5)]
    for wait in WAITS:
        with server.arranging():
            assert deliveries.deliver_due(kinds) == {"delivered": 0, "failed": 1}
        server.clock.move(seconds=wait.total_seconds() + 1)
    assert (set(tried), given_up) == ({oldest}, [])
    with server.arranging():
        deliveries.deliver_due(kinds)
    assert given_up == [oldest]
    assert tried[-1] in others, "then it is the next one's turn"
