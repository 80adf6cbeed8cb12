"""The outbox: what is wrong with one delivery keeps no other waiting."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from idprotect import deliveries
from idprotect.deliveries import WAITS, Kind
from idprotect.models import Delivery, session
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
